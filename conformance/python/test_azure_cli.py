"""Azure's command line: pointed at this cloud by one command, then used as in any other.

Every call is a process of its own, as for its users; one list of calls in order is what a person would type.
"""

import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import strongroom  # noqa: E402

URL = strongroom.BOOTSTRAP["url"]
APPLICATION = strongroom.BOOTSTRAP["application"]
GROUP = "conformance-cli"
SCOPE = f"{strongroom.SUBSCRIPTION}/resourceGroups/{GROUP}"


class CommandLine(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.environment = {
            **os.environ,
            "AZURE_CONFIG_DIR": cls.folder.name,
            "AZURE_CORE_COLLECT_TELEMETRY": "0",
            "AZURE_CORE_INSTANCE_DISCOVERY": "false",
            "AZURE_CORE_ONLY_SHOW_ERRORS": "true",
            "REQUESTS_CA_BUNDLE": strongroom.BOOTSTRAP["caFile"],
        }
        cls.enter_cloud()
        secret = ["--username", APPLICATION["clientId"], "--password", APPLICATION["clientSecret"]]
        cls.az("login", "--service-principal", *secret, "--tenant", strongroom.BOOTSTRAP["tenantId"])
        cls.az("group", "create", "--name", GROUP, "--location", strongroom.BOOTSTRAP["location"])

    @classmethod
    def az(cls, *arguments):
        """Runs one command. Returns what it printed, read as JSON."""
        done = subprocess.run(
            ["az", *arguments, "--output", "json"], env=cls.environment, capture_output=True, text=True, timeout=120
        )
        if done.returncode != 0:
            raise RuntimeError(f"az {' '.join(arguments[:3])}: {done.stderr.strip()}")
        return json.loads(done.stdout) if done.stdout.strip() else None

    @classmethod
    def enter_cloud(cls):
        cls.az("cloud", "register", "--name", "Strongroom", "--endpoint-resource-manager", URL)
        cls.az("cloud", "set", "--name", "Strongroom")

    def test_the_account_is_the_one_that_signed_in(self):
        account = self.az("account", "show")
        self.assertEqual(account["id"], strongroom.BOOTSTRAP["subscriptionId"])
        self.assertEqual(account["environmentName"], "Strongroom")
        self.assertEqual(account["user"], {"name": APPLICATION["clientId"], "type": "servicePrincipal"})
        self.assertEqual(self.az("account", "get-access-token", "--resource", URL)["tokenType"], "Bearer")

    def test_a_wrong_secret_is_refused(self):
        # In a folder of its own: az answers a second login of the same application from its cache of tokens.
        kept = dict(self.environment)
        with tempfile.TemporaryDirectory() as folder, self.assertRaises(RuntimeError) as refused:
            self.addCleanup(self.environment.update, kept)
            self.environment["AZURE_CONFIG_DIR"] = folder
            self.enter_cloud()
            name = ["--username", APPLICATION["clientId"], "--password", "not-the-secret"]
            self.az("login", "--service-principal", *name, "--tenant", strongroom.BOOTSTRAP["tenantId"])
        self.assertIn("secret is not valid", str(refused.exception))

    def test_groups_resources_and_requests_by_hand(self):
        self.assertIn(GROUP, [group["name"] for group in self.az("group", "list")])
        self.assertIs(self.az("group", "exists", "--name", "nobody-made-this"), False)
        account = f"{SCOPE}/providers/Microsoft.Storage/storageAccounts/cliblobs"
        body = {"location": strongroom.BOOTSTRAP["location"], "kind": "StorageV2", "sku": {"name": "Standard_LRS"}}
        made = ["--is-full-object", "--properties", json.dumps({**body, "properties": {}}), "--api-version", "2023-05-01"]
        self.az("resource", "create", "--id", account, *made)
        self.assertIn("cliblobs", [item["name"] for item in self.az("resource", "list", "--resource-group", GROUP)])
        answer = self.az("rest", "--method", "get", "--url", f"{URL}{account}?api-version=2023-05-01", "--resource", URL)
        self.assertEqual(answer["name"], "cliblobs")

    def test_a_storage_account_is_made_and_deleted(self):
        account = ["--name", "climade", "--resource-group", GROUP]
        place = ["--location", strongroom.BOOTSTRAP["location"], "--sku", "Standard_LRS"]
        self.assertIs(self.az("storage", "account", "check-name", "--name", "climade")["nameAvailable"], True)
        made = self.az("storage", "account", "create", *account, *place, "--min-tls-version", "TLS1_2")
        self.assertIs(made["allowSharedKeyAccess"], False)
        self.assertIs(self.az("storage", "account", "check-name", "--name", "climade")["nameAvailable"], False)
        self.az("storage", "account", "delete", *account, "--yes")

    def test_roles_are_listed_assigned_and_taken_back(self):
        [reader] = self.az("role", "definition", "list", "--name", "Reader")
        self.assertEqual(reader["roleType"], "BuiltInRole")
        role = ["--role", "Reader", "--scope", SCOPE]
        made = self.az("role", "assignment", "create", "--assignee", APPLICATION["clientId"], *role)
        self.assertEqual(made["principalId"], APPLICATION["objectId"])
        listed = self.az("role", "assignment", "list", "--scope", SCOPE)
        self.assertEqual([item["roleDefinitionName"] for item in listed], ["Reader"])
        self.az("role", "assignment", "delete", "--ids", made["id"])
        self.assertEqual(self.az("role", "assignment", "list", "--scope", SCOPE), [])

    def test_service_principals_are_made_and_found(self):
        made = self.az("ad", "sp", "create-for-rbac", "--name", "made-by-cli")
        self.assertTrue(made["password"])
        [found] = self.az("ad", "sp", "list", "--display-name", "made-by")
        self.assertEqual(found["appId"], made["appId"])
        self.assertEqual(self.az("ad", "sp", "show", "--id", made["appId"])["displayName"], "made-by-cli")

    def test_a_vault_keeps_secrets_and_keys(self):
        place = ["--resource-group", GROUP, "--location", strongroom.BOOTSTRAP["location"]]
        made = self.az("keyvault", "create", "--name", "cli-vault", *place)
        administrator = ["--role", "Key Vault Administrator", "--scope", made["id"]]
        who = ["--assignee-object-id", APPLICATION["objectId"], "--assignee-principal-type", "ServicePrincipal"]
        self.az("role", "assignment", "create", *who, *administrator)
        vault = ["--vault-name", "cli-vault"]
        self.az("keyvault", "secret", "set", *vault, "--name", "password", "--value", "hello")
        self.assertEqual(self.az("keyvault", "secret", "show", *vault, "--name", "password")["value"], "hello")
        self.assertEqual([item["name"] for item in self.az("keyvault", "secret", "list", *vault)], ["password"])
        self.assertEqual(self.az("keyvault", "key", "create", *vault, "--name", "rsa")["key"]["kty"], "RSA")
        self.az("keyvault", "delete", "--name", "cli-vault")
        bin_ = self.az("keyvault", "list-deleted", "--resource-type", "vault")
        self.assertIn("cli-vault", [item["name"] for item in bin_])
        self.az("keyvault", "recover", "--name", "cli-vault")
        self.az("role", "assignment", "create", *who, *administrator)
        self.assertEqual(self.az("keyvault", "secret", "show", *vault, "--name", "password")["value"], "hello")
        self.az("keyvault", "delete", "--name", "cli-vault")
        self.az("keyvault", "purge", "--name", "cli-vault")
        bin_ = self.az("keyvault", "list-deleted", "--resource-type", "vault")
        self.assertNotIn("cli-vault", [item["name"] for item in bin_])

    def test_blobs_go_up_and_come_down_by_name_and_by_address(self):
        account = f"{SCOPE}/providers/Microsoft.Storage/storageAccounts/clifiles"
        body = {"location": strongroom.BOOTSTRAP["location"], "kind": "StorageV2", "sku": {"name": "Standard_LRS"}}
        strongroom.arm("PUT", account, {**body, "properties": {}})
        strongroom.ready(account)
        who = ["--assignee-object-id", APPLICATION["objectId"], "--assignee-principal-type", "ServicePrincipal"]
        self.az("role", "assignment", "create", *who, "--role", "Storage Blob Data Contributor", "--scope", account)
        by_name, by_address = ["--account-name", "clifiles"], ["--blob-endpoint", f"{URL}/clifiles"]
        source, target = Path(self.folder.name, "up.txt"), Path(self.folder.name, "down.txt")
        source.write_text("hello")
        self.az("storage", "container", "create", "--name", "papers", "--auth-mode", "login", *by_address)
        blob = ["--container-name", "papers", "--name", "a/up.txt", "--auth-mode", "login", "--no-progress"]
        self.az("storage", "blob", "upload", "--file", str(source), *blob, *by_name)
        self.az("storage", "blob", "download", "--file", str(target), *blob, *by_address)
        self.assertEqual(target.read_text(), "hello")

    def test_a_registry_tells_its_images(self):
        registry, repository = ["--name", "cliimages"], "cliimages/team/app"
        made = self.az("acr", "create", *registry, "--resource-group", GROUP, "--sku", "Standard")
        one, two = strongroom.push_image(repository, "v1"), strongroom.push_image(repository, "v2")
        signed_in = self.az("acr", "login", *registry, "--expose-token")
        self.assertEqual(signed_in["loginServer"], made["loginServer"])
        self.assertEqual(len(signed_in["refreshToken"].split(".")), 3)
        self.assertIn(repository, self.az("acr", "repository", "list", *registry))
        secret = ["--username", APPLICATION["clientId"], "--password", APPLICATION["clientSecret"]]
        self.assertIn(repository, self.az("acr", "repository", "list", *registry, *secret))
        tags = ["acr", "repository", "show-tags", *registry, "--repository", repository]
        self.assertEqual(self.az(*tags), ["v1", "v2"])
        self.assertEqual(self.az(*tags, "--orderby", "time_desc", "--top", "1"), ["v2"])
        self.assertEqual([tag["digest"] for tag in self.az(*tags, "--detail")], [one, two])
        manifests = self.az("acr", "manifest", "list-metadata", "--registry", "cliimages", "--name", repository)
        self.assertEqual({m["digest"]: m["tags"] for m in manifests}, {one: ["v1"], two: ["v2"]})
        shown = self.az("acr", "manifest", "show-metadata", "--registry", "cliimages", "--name", f"{repository}:v1")
        self.assertEqual(shown["digest"], one)
        content = self.az("acr", "manifest", "show", "--registry", "cliimages", "--name", f"{repository}:v1")
        self.assertEqual(content["schemaVersion"], 2)
        self.assertEqual(self.az("acr", "repository", "show", *registry, "--repository", repository)["tagCount"], 2)
        with self.assertRaisesRegex(RuntimeError, "cannot be locked"):
            self.az("acr", "repository", "update", *registry, "--image", f"{repository}:v1", "--write-enabled", "false")
        self.az("acr", "repository", "untag", *registry, "--image", f"{repository}:v1")
        self.assertEqual(self.az(*tags), ["v2"])
        self.az("acr", "repository", "delete", *registry, "--image", f"{repository}:v2", "--yes")
        self.assertEqual(self.az(*tags), [])
        self.az("acr", "repository", "delete", *registry, "--repository", repository, "--yes")
        self.assertNotIn(repository, self.az("acr", "repository", "list", *registry))

    def test_the_activity_log_tells_what_was_done(self):
        events = self.az("monitor", "activity-log", "list", "--resource-group", GROUP)
        self.assertIn("Microsoft.Resources/subscriptions/resourceGroups/write", [e["operationName"]["value"] for e in events])


if __name__ == "__main__":
    unittest.main()
