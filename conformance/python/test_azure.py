"""Azure's clients for Python: azure-identity, -keyvault-secrets, -keyvault-keys and -storage-blob, unpatched."""

import html
import os
import re
import sys
import threading
import time
import unittest
import webbrowser
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import strongroom  # noqa: E402
from signed_in import APPLICATION, CREDENTIAL, KEY_VAULT_ADMINISTRATOR, TENANT, URL  # noqa: E402

from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError  # noqa: E402
from azure.identity import ClientSecretCredential, EnvironmentCredential, InteractiveBrowserCredential  # noqa: E402
from azure.keyvault.keys import KeyClient  # noqa: E402
from azure.keyvault.keys.crypto import CryptographyClient, KeyWrapAlgorithm, SignatureAlgorithm  # noqa: E402
from azure.keyvault.secrets import SecretClient  # noqa: E402
from azure.storage.blob import BlobServiceClient  # noqa: E402
import requests  # noqa: E402

STORAGE_BLOB_DATA_CONTRIBUTOR = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"


class ScriptedBrowser:
    """What a person does in a browser, registered with Python's own webbrowser: the client opens it and knows no better."""

    cancels = False

    def open(self, url, *_args, **_more):
        threading.Thread(target=self._sign_in, args=(url,), daemon=True).start()
        return True

    def _sign_in(self, url):
        session = requests.Session()
        page = session.get(url)
        action, form = self._form(page.text)
        administrator = strongroom.BOOTSTRAP["administrator"]
        if self.cancels:
            form["cancel"] = "yes"
        else:
            form |= {"userName": administrator["userName"], "password": administrator["password"]}
        # The last page's form sends itself to the program that waits; here that is done for it.
        session.post(*self._form(session.post(URL + action, form).text))

    @staticmethod
    def _form(page):
        action = re.search(r'<form method="post" action="([^"]*)"', page)[1]
        hidden = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', page)
        return html.unescape(action), {name: html.unescape(value) for name, value in hidden}


class Identity(unittest.TestCase):
    def test_a_person_signs_in_with_a_browser_and_a_refusal_comes_back_at_once(self):
        browser = ScriptedBrowser()
        webbrowser.register("scripted", None, browser, preferred=True)
        options = {"authority": URL, "disable_instance_discovery": True, "timeout": 60}
        token = InteractiveBrowserCredential(tenant_id="adfs", **options).get_token(f"{URL}/.default").token
        answer = requests.get(f"{URL}/subscriptions?api-version=2022-12-01", headers={"Authorization": f"Bearer {token}"})
        self.assertEqual(answer.status_code, 200)
        browser.cancels = True
        with self.assertRaisesRegex(ClientAuthenticationError, "cancelled"):
            InteractiveBrowserCredential(tenant_id="adfs", **options).get_token(f"{URL}/.default")

    def test_a_secret_gets_a_token_and_a_wrong_one_does_not(self):
        self.assertGreater(CREDENTIAL.get_token(f"{URL}/.default").expires_on, time.time())
        wrong = ClientSecretCredential(
            TENANT, APPLICATION["clientId"], "not-the-secret", authority=URL, disable_instance_discovery=True
        )
        with self.assertRaises(ClientAuthenticationError) as refused:
            wrong.get_token(f"{URL}/.default")
        self.assertIn("secret is not valid", str(refused.exception))
        self.assertNotIn("not-the-secret", str(refused.exception))

    def test_variables_alone_do_with_the_tenant_adfs(self):
        variables = {
            "AZURE_TENANT_ID": "adfs",
            "AZURE_AUTHORITY_HOST": URL,
            "AZURE_CLIENT_ID": APPLICATION["clientId"],
            "AZURE_CLIENT_SECRET": APPLICATION["clientSecret"],
        }
        os.environ.update(variables)
        try:
            self.assertTrue(EnvironmentCredential().get_token(f"{URL}/.default").token)
        finally:
            for name in variables:
                del os.environ[name]


class Vault(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        group = strongroom.group()
        vault = f"{group}/providers/Microsoft.KeyVault/vaults/python-vault"
        properties = {"tenantId": TENANT, "sku": {"family": "A", "name": "standard"}, "enableRbacAuthorization": True}
        body = {"location": strongroom.BOOTSTRAP["location"], "properties": properties}
        cls.url = strongroom.arm("PUT", vault, body)["properties"]["vaultUri"]
        strongroom.assign(vault, KEY_VAULT_ADMINISTRATOR)

    def test_secrets_are_set_read_listed_deleted_and_recovered(self):
        client = SecretClient(self.url, CREDENTIAL)
        first = client.set_secret("password", "one", tags={"a": "1"})
        client.set_secret("password", "two")
        self.assertEqual(client.get_secret("password").value, "two")
        self.assertEqual(client.get_secret("password", first.properties.version).value, "one")
        self.assertEqual(len(list(client.list_properties_of_secret_versions("password"))), 2)
        client.begin_delete_secret("password").wait()
        with self.assertRaises(ResourceNotFoundError):
            client.get_secret("password")
        client.begin_recover_deleted_secret("password").wait()
        self.assertEqual(client.get_secret("password").value, "two")

    def test_a_key_wraps_unwraps_signs_and_verifies(self):
        key = KeyClient(self.url, CREDENTIAL).create_rsa_key("rsa", size=2048)
        client = CryptographyClient(key, CREDENTIAL)
        data_key = os.urandom(32)
        for algorithm in (KeyWrapAlgorithm.rsa_oaep, KeyWrapAlgorithm.rsa_oaep_256):
            wrapped = client.wrap_key(algorithm, data_key)
            self.assertEqual(client.unwrap_key(algorithm, wrapped.encrypted_key).key, data_key)
        digest = os.urandom(32)
        for algorithm in (SignatureAlgorithm.rs256, SignatureAlgorithm.ps256):
            signed = client.sign(algorithm, digest)
            self.assertTrue(client.verify(algorithm, digest, signed.signature).is_valid)
            self.assertFalse(client.verify(algorithm, os.urandom(32), signed.signature).is_valid)


class Blobs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        account = f"{strongroom.group()}/providers/Microsoft.Storage/storageAccounts/pythonblobs"
        body = {"location": strongroom.BOOTSTRAP["location"], "kind": "StorageV2", "sku": {"name": "Standard_LRS"}}
        strongroom.arm("PUT", account, {**body, "properties": {}})
        strongroom.ready(account)
        strongroom.assign(account, STORAGE_BLOB_DATA_CONTRIBUTOR)

    def both(self):
        """The account as the first segment of the path, and as a host."""
        host = URL.removeprefix("https://")
        yield BlobServiceClient(f"{URL}/pythonblobs", CREDENTIAL)
        yield BlobServiceClient(f"https://pythonblobs.blob.storage.{host}", CREDENTIAL)

    def test_blobs_are_written_read_listed_and_deleted_by_path_and_by_host(self):
        for number, service in enumerate(self.both()):
            container = service.create_container(f"container{number}")
            content = os.urandom(5 * 1024 * 1024 + 3)
            container.upload_blob("deep/ein Blatt+ü.bin", content, metadata={"author": "a"})
            blob = container.get_blob_client("deep/ein Blatt+ü.bin")
            self.assertEqual(blob.download_blob().readall(), content)
            self.assertEqual(blob.download_blob(offset=7, length=9).readall(), content[7:16])
            self.assertEqual(blob.get_blob_properties().metadata, {"author": "a"})
            self.assertEqual([item.name for item in container.list_blobs("deep/")], ["deep/ein Blatt+ü.bin"])
            with self.assertRaises(HttpResponseError) as refused:
                container.upload_blob("deep/ein Blatt+ü.bin", b"x")
            self.assertEqual(refused.exception.error_code, "BlobAlreadyExists")
            blob.delete_blob()
            self.assertFalse(blob.exists())


if __name__ == "__main__":
    unittest.main()
