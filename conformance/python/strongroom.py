"""What a Python suite begins with: a token by the bootstrap file, and a workspace of its own.

Standard library only, so that what is tested is the client and not this. Nothing here is a client of its own worth using.
"""

import hashlib
import json
import os
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

with open(os.environ["CONFORMANCE_BOOTSTRAP"], encoding="utf-8") as file:
    BOOTSTRAP = json.load(file)

TLS = ssl.create_default_context(cafile=BOOTSTRAP["caFile"])
SUBSCRIPTION = f"/subscriptions/{BOOTSTRAP['subscriptionId']}"


def _call(request):
    try:
        with urllib.request.urlopen(request, context=TLS, timeout=60) as answer:
            text = answer.read().decode()
    except urllib.error.HTTPError as refused:
        raise RuntimeError(f"{request.method} {request.full_url}: {refused.code} {refused.read().decode()}") from None
    return json.loads(text) if text else {}


def token(application=BOOTSTRAP["application"], resource=BOOTSTRAP["url"]):
    """An access token, for Resource Manager unless said otherwise; MLflow's surface takes that too."""
    form = {
        "grant_type": "client_credentials",
        "client_id": application["clientId"],
        "client_secret": application["clientSecret"],
        "scope": f"{resource}/.default",
    }
    url = f"{BOOTSTRAP['url']}/{BOOTSTRAP['tenantId']}/oauth2/v2.0/token"
    return _call(urllib.request.Request(url, urllib.parse.urlencode(form).encode(), method="POST"))["access_token"]


def arm(method, path, body=None):
    """One request to Resource Manager."""
    headers = {"Authorization": f"Bearer {token()}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    url = f"{BOOTSTRAP['url']}{path}?api-version=2022-10-01"
    return _call(urllib.request.Request(url, data, headers, method=method))


def assign(scope, role, principal=BOOTSTRAP["application"]["objectId"]):
    """Gives the caller a role: Owner may manage a vault and an account, and not read what is in them."""
    definition = f"{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{role}"
    body = {"roleDefinitionId": definition, "principalId": principal, "principalType": "ServicePrincipal"}
    arm("PUT", f"{scope}/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}", {"properties": body})


def registry(path):
    """One JSON document of the registry, below /v2."""
    headers = {"Authorization": f"Bearer {token()}"}
    return _call(urllib.request.Request(f"{BOOTSTRAP['url']}/v2/{path}", headers=headers))


def application(name):
    """An application with a secret and no role at all: somebody with fewer rights to look at the server through."""
    graph = f"{BOOTSTRAP['url']}/msgraph"
    headers = {"Authorization": f"Bearer {token(resource=graph)}", "Content-Type": "application/json"}

    def post(path, body):
        data = json.dumps(body).encode()
        return _call(urllib.request.Request(f"{graph}/v1.0{path}", data, headers, method="POST"))

    made = post("/applications", {"displayName": name})
    secret = post(f"/applications/{made['id']}/addPassword", {})["secretText"]
    return {"clientId": made["appId"], "clientSecret": secret, "objectId": made["id"]}


def push_image(repository, tag):
    """An image of one layer under `{registry}/{path}`. Returns the digest of its manifest."""

    def send(method, path, data, content_type):
        headers = {"Authorization": f"Bearer {token()}", "Content-Type": content_type}
        _call(urllib.request.Request(f"{BOOTSTRAP['url']}/v2/{repository}/{path}", data, headers, method=method))

    def blob(data, media_type):
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        send("POST", f"blobs/uploads/?digest={digest}", data, "application/octet-stream")
        return {"mediaType": media_type, "digest": digest, "size": len(data)}

    media_type = "application/vnd.oci.image.manifest.v1+json"
    config = blob(b'{"os":"linux","architecture":"amd64"}', "application/vnd.oci.image.config.v1+json")
    layers = [blob(tag.encode(), "application/vnd.oci.image.layer.v1.tar")]
    manifest = {"schemaVersion": 2, "mediaType": media_type, "config": config, "layers": layers}
    data = json.dumps(manifest).encode()
    send("PUT", f"manifests/{tag}", data, media_type)
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def ready(path):
    """Waits until a resource may be used. Returns its id."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        state = arm("GET", path)["properties"]["provisioningState"]
        if state == "Succeeded":
            return path
        if state == "Failed":
            break
        time.sleep(0.1)
    raise RuntimeError(f"{path} did not become ready")


def group(name="conformance-python"):
    """Makes a resource group. Returns its id."""
    return arm("PUT", f"{SUBSCRIPTION}/resourceGroups/{name}", {"location": BOOTSTRAP["location"]})["id"]


def workspace(name):
    """Makes a workspace and waits until it may be used. Returns its ARM id."""
    path = f"{group()}/providers/Microsoft.MachineLearningServices/workspaces/{name}"
    arm("PUT", path, {"location": BOOTSTRAP["location"], "identity": {"type": "SystemAssigned"}, "properties": {}})
    return ready(path)
