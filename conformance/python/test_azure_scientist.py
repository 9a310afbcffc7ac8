"""azure-ai-ml in the hands of a data scientist: with the role AzureML Data Scientist at a workspace and no other."""

import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import strongroom  # noqa: E402
from signed_in import APPLICATION, TENANT, URL, ended  # noqa: E402

from azure.ai.ml import Input, MLClient, Output, command  # noqa: E402
from azure.ai.ml.entities import AmlCompute, Environment, Model  # noqa: E402
from azure.core.exceptions import HttpResponseError  # noqa: E402
from azure.identity import ClientSecretCredential  # noqa: E402
from azure.storage.blob import BlobServiceClient  # noqa: E402

NODE_PYTHON = "strongroom/node-python"
AZUREML_DATA_SCIENTIST = "f6c7c914-8db3-469d-8ca1-694a8f32e121"
READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"


class DataScientist(unittest.TestCase):
    """Somebody with the role AzureML Data Scientist at a workspace and no other: none at its storage account."""

    @classmethod
    def setUpClass(cls):
        cls.workspace = strongroom.workspace("scientist")
        cls.person = strongroom.application("data-scientist")
        strongroom.assign(cls.workspace, AZUREML_DATA_SCIENTIST, cls.person["objectId"])
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        cluster = AmlCompute(name="cpu", size="Standard_DS3_v2", min_instances=0, max_instances=1)
        cls.as_(APPLICATION).compute.begin_create_or_update(cluster).result()
        cls.client = cls.as_(cls.person)

    @classmethod
    def as_(cls, application):
        secret = application["clientSecret"]
        options = {"authority": URL, "disable_instance_discovery": True}
        credential = ClientSecretCredential(TENANT, application["clientId"], secret, **options)
        subscription, group = strongroom.BOOTSTRAP["subscriptionId"], cls.workspace.split("/")[4]
        return MLClient(credential, subscription, group, "scientist", enable_telemetry=False, show_progress=False)

    def container(self, datastore="workspaceblobstore", client=None):
        """What a client makes of a datastore by itself: a container that it opens by an address that it asks for."""
        read = (client or self.client).datastores.get(datastore, include_secrets=True)
        account = f"https://{read.account_name}.blob.storage.{URL.removeprefix('https://')}"
        return BlobServiceClient(account, read.credentials.sas_token).get_container_client(read.container_name)

    def test_data_goes_up_a_job_trains_on_it_and_outputs_and_models_come_down(self):
        (self.folder / "data").mkdir()
        (self.folder / "data/a.csv").write_text("1,2")
        (self.folder / "src").mkdir()
        train = """
import pathlib, sys
print("trained", flush=True)
pathlib.Path(sys.argv[2], "m.txt").write_text(pathlib.Path(sys.argv[1], "a.csv").read_text() * 2)
"""
        (self.folder / "src/train.py").write_text(train)
        job = command(
            code=str(self.folder / "src"),
            command="python3 train.py ${{inputs.data}} ${{outputs.model}}",
            inputs={"data": Input(type="uri_folder", path=str(self.folder / "data"))},
            outputs={"model": Output(type="uri_folder")},
            environment=Environment(image=NODE_PYTHON),
            compute="cpu",
        )
        name = self.client.jobs.create_or_update(job).name
        self.assertEqual(ended(self.client, name).status, "Completed")
        self.client.jobs.download(name, download_path=self.folder / "out", output_name="model")
        self.assertEqual((self.folder / "out/named-outputs/model/m.txt").read_text(), "1,21,2")
        self.client.jobs.download(name, download_path=self.folder / "all", all=True)
        self.assertIn("trained", (self.folder / "all/artifacts/user_logs/std_log.txt").read_text())
        self.client.models.create_or_update(Model(path=str(self.folder / "data"), name="local"))
        self.client.models.create_or_update(Model(path=f"azureml://jobs/{name}/outputs/model/paths/", name="trained"))
        for model, file in (("local", "data/a.csv"), ("trained", "m.txt")):
            self.client.models.download(model, version="1", download_path=self.folder / "models")
            found = [path for path in (self.folder / "models" / model).rglob(Path(file).name)]
            self.assertEqual(len(found), 1, model)

    def test_an_address_opens_no_more_than_that(self):
        container = self.container()
        container.upload_blob("mine/a", b"1")
        self.assertEqual(container.download_blob("mine/a").readall(), b"1")
        for refused in (
            lambda: container.delete_blob("mine/a"),
            lambda: container.upload_blob("snapshots/x/0", b"1", overwrite=True),
            lambda: self.container("workspaceartifactstore").upload_blob("ExperimentRun/x", b"1"),
            lambda: container.delete_container(),
        ):
            with self.assertRaises(HttpResponseError):
                refused()
        reader = strongroom.application("reader")
        strongroom.assign(self.workspace, READER, reader["objectId"])
        with self.assertRaises(HttpResponseError) as refused:
            self.container(client=self.as_(reader))
        self.assertEqual(refused.exception.status_code, 403)

    def test_an_address_ends_with_the_role_of_who_asked_for_it(self):
        leaver = strongroom.application("leaver")
        strongroom.assign(self.workspace, AZUREML_DATA_SCIENTIST, leaver["objectId"])
        container = self.container(client=self.as_(leaver))
        container.upload_blob("leaver/a", b"1")
        assignments = f"{self.workspace}/providers/Microsoft.Authorization/roleAssignments"
        for one in strongroom.arm("GET", assignments)["value"]:
            if one["properties"]["principalId"] == leaver["objectId"]:
                strongroom.arm("DELETE", one["id"])
        with self.assertRaises(HttpResponseError) as refused:
            container.download_blob("leaver/a")
        self.assertEqual(refused.exception.status_code, 403)


if __name__ == "__main__":
    unittest.main()
