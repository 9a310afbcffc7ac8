"""Connections by azure-ai-ml's own calls: every class that it has for them is made, read, listed and removed, and what they hold is
given out to who may have it."""

import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import strongroom  # noqa: E402
from signed_in import CREDENTIAL, TENANT, URL  # noqa: E402

from azure.ai.ml import MLClient, load_connection  # noqa: E402
from azure.ai.ml import entities  # noqa: E402
from azure.core.exceptions import HttpResponseError  # noqa: E402
from azure.identity import ClientSecretCredential  # noqa: E402
import requests  # noqa: E402

READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
SUBSCRIPTION = strongroom.BOOTSTRAP["subscriptionId"]

GIT = """
name: team_git
type: git
target: https://git.example.com
credentials:
  type: pat
  pat: token-of-the-team
"""


def client(credential, name="connected"):
    return MLClient(credential, SUBSCRIPTION, "conformance-python", name, enable_telemetry=False, show_progress=False)


class Connections(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.workspace = strongroom.workspace("connected")
        cls.client = client(CREDENTIAL)

    def secrets(self, name):
        """The client itself gives out API keys alone."""
        url = f"{URL}{self.workspace}/connections/{name}/listsecrets?api-version=2024-10-01"
        headers = {"Authorization": f"Bearer {strongroom.token()}"}
        answer = requests.post(url, headers=headers, timeout=60)
        answer.raise_for_status()
        return answer.json()["properties"]["credentials"]

    def test_one_is_made_from_yaml_shown_without_its_credentials_changed_and_removed(self):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "git.yml"
            file.write_text(GIT)
            made = self.client.connections.create_or_update(load_connection(file))
        self.assertEqual((made.name, made.type, made.target), ("team_git", "git", "https://git.example.com"))
        self.assertIsNone(made.credentials.pat)
        self.assertEqual(self.secrets("team_git"), {"pat": "token-of-the-team"})
        shown = self.client.connections.get("team_git")
        shown.metadata = {"team": "vision"}
        # What it was shown says nothing of the credentials, so those that are there stay.
        self.client.connections.create_or_update(shown)
        self.assertEqual(self.client.connections.get("team_git").metadata, {"team": "vision"})
        self.assertEqual(self.secrets("team_git"), {"pat": "token-of-the-team"})
        self.assertIn("team_git", [one.name for one in self.client.connections.list("git")])
        self.assertNotIn("team_git", [one.name for one in self.client.connections.list("s3")])
        self.client.connections.delete("team_git")
        with self.assertRaises(HttpResponseError):
            self.client.connections.get("team_git")

    def test_every_class_of_the_client_is_kept_and_given_back(self):
        key = entities.ApiKeyConfiguration(key="key-of-a-service")
        signature = entities.SasTokenConfiguration(sas_token="sv=2021&sig=s")
        principal = entities.ServicePrincipalConfiguration(client_id="c", client_secret="s", tenant_id="t", authority_url="")
        identity = entities.ManagedIdentityConfiguration(client_id="c", resource_id="r")
        password = entities.UsernamePasswordConfiguration(username="u", password="p")
        access = entities.AccessKeyConfiguration(access_key_id="a", secret_access_key="s")
        account = entities.AccountKeyConfiguration(account_key="key-of-an-account")
        plain, base = {"target": "https://x.example.com"}, entities.WorkspaceConnection
        made = {
            "feed": (base(name="feed", type="python_feed", credentials=password, **plain), {"username": "u", "password": "p"}),
            "images": (base(name="images", type="container_registry", credentials=identity, **plain), {"clientId": "c", "resourceId": "r"}),
            "bucket": (base(name="bucket", type="s3", credentials=access, **plain), {"accessKeyId": "a", "secretAccessKey": "s"}),
            "warehouse": (base(name="warehouse", type="snowflake", credentials=password, **plain), {"username": "u", "password": "p"}),
            "database": (base(name="database", type="azure_sql_db", credentials=password, **plain), {"username": "u", "password": "p"}),
            "lake": (
                base(name="lake", type="azure_data_lake_gen2", credentials=principal, **plain),
                {"clientId": "c", "clientSecret": "s", "tenantId": "t"},
            ),
            "custom": (base(name="custom", type="custom", credentials=key, **plain), {"key": "key-of-a-service"}),
            "nobody": (base(name="nobody", type="git", credentials=entities.NoneCredentialConfiguration(), **plain), None),
            "blobs": (
                entities.AzureBlobStoreConnection(name="blobs", url="https://x", container_name="c", account_name="a", credentials=account),
                {"sas": "key-of-an-account"},
            ),
            "signed": (
                entities.AzureBlobStoreConnection(name="signed", url="https://x", container_name="c", account_name="a", credentials=signature),
                {"sas": "sv=2021&sig=s"},
            ),
            "service": (entities.APIKeyConnection(name="service", api_base="https://x", api_key="k"), {"key": "k"}),
            "azure-openai": (
                entities.AzureOpenAIConnection(name="azure-openai", azure_endpoint="https://x", api_key="k", api_version="2024-02-01"),
                {"key": "k"},
            ),
            "search": (entities.AzureAISearchConnection(name="search", endpoint="https://x", api_key="k"), {"key": "k"}),
            "safety": (entities.AzureContentSafetyConnection(name="safety", endpoint="https://x", api_key="k"), {"key": "k"}),
            "speech": (entities.AzureSpeechServicesConnection(name="speech", endpoint="https://x", api_key="k"), {"key": "k"}),
            "openai": (entities.OpenAIConnection(name="openai", api_key="k"), {"key": "k"}),
            "serp": (entities.SerpConnection(name="serp", api_key="k"), {"key": "k"}),
            "serverless": (entities.ServerlessConnection(name="serverless", endpoint="https://x", api_key="k"), {"key": "k"}),
        }
        for name, (connection, credentials) in made.items():
            with self.subTest(name):
                self.client.connections.create_or_update(connection)
                shown = self.client.connections.get(name)
                self.assertIs(type(shown), type(connection))
                self.assertEqual(shown.type, connection.type)
                self.assertEqual(self.secrets(name), credentials)
        self.assertEqual(self.client.connections.get("service", populate_secrets=True).api_key, "k")
        listed = {one.name for one in self.client.connections.list(include_data_connections=True)}
        self.assertLessEqual(set(made), listed)
        for name in made:
            self.client.connections.delete(name)

    def test_who_only_reads_is_shown_a_connection_and_not_its_key(self):
        self.client.connections.create_or_update(entities.APIKeyConnection(name="kept", api_base="https://x", api_key="k"))
        who = strongroom.application("reader of connections")
        strongroom.assign(self.workspace, READER, who["objectId"])
        reads = client(ClientSecretCredential(TENANT, who["clientId"], who["clientSecret"], authority=URL, disable_instance_discovery=True))
        self.assertIsNone(reads.connections.get("kept").api_key)
        self.assertEqual([one.api_key for one in reads.connections.list("api_key") if one.name == "kept"], [None])
        with self.assertRaises(HttpResponseError) as refused:
            reads.connections.get("kept", populate_secrets=True)
        self.assertEqual(refused.exception.status_code, 403)
        self.client.connections.delete("kept")

    def test_one_that_would_be_shared_with_some_is_refused(self):
        none = entities.NoneCredentialConfiguration()
        narrow = entities.WorkspaceConnection(name="narrow", type="git", target="https://x", credentials=none, is_shared=False)
        with self.assertRaises(HttpResponseError) as refused:
            self.client.connections.create_or_update(narrow)
        self.assertEqual(refused.exception.error.code, "PropertyNotServed")


if __name__ == "__main__":
    unittest.main()
