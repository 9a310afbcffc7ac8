"""Environments that are built of a folder with a Dockerfile, by azure-ai-ml, unpatched: registered, inside a job, in a pipeline, from YAML."""

import json
import sys
import tempfile
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import strongroom  # noqa: E402
from signed_in import CREDENTIAL  # noqa: E402

from azure.ai.ml import MLClient, command, load_environment, load_job  # noqa: E402
from azure.ai.ml.entities import AmlCompute, BuildContext, Environment  # noqa: E402
from azure.core.exceptions import HttpResponseError  # noqa: E402

#: As those of azureml-examples are, whose image an operator maps onto this one; see server.ts.
DOCKERFILE = """#FROM mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04
FROM python:3.8

# python installs
COPY requirements.txt .
RUN pip install -r requirements.txt && rm requirements.txt

# set command
CMD ["bash"]
"""
USES = "python -c \"import six, sys; print('six of', sys.prefix, six.__version__)\""


class Dockerfiles(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        workspace = strongroom.workspace("dockerfiles")
        subscription, group = strongroom.BOOTSTRAP["subscriptionId"], workspace.split("/")[4]
        cls.client = MLClient(CREDENTIAL, subscription, group, "dockerfiles", enable_telemetry=False, show_progress=False)
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        cluster = AmlCompute(name="cpu", size="Standard_DS3_v2", min_instances=0, max_instances=1)
        cls.client.compute.begin_create_or_update(cluster).result()
        cls.write("docker-context/Dockerfile", DOCKERFILE)
        cls.write("docker-context/requirements.txt", "six>=1.16,<2\n")

    @classmethod
    def write(cls, name, text):
        (cls.folder / name).parent.mkdir(exist_ok=True)
        (cls.folder / name).write_text(text)
        return cls.folder / name

    def ended(self, name, seconds=600):
        end = time.monotonic() + seconds
        while (read := self.client.jobs.get(name)).status not in ("Completed", "Failed", "Canceled"):
            self.assertLess(time.monotonic(), end, read.status)
            time.sleep(0.25)
        return read

    def completed(self, job):
        name = self.client.jobs.create_or_update(job).name
        read = self.ended(name)
        self.assertEqual(read.status, "Completed", read.properties)
        return read

    def test_it_is_built_from_yaml_inside_a_job_and_found_again_where_it_is_registered(self):
        text = "name: docker-context-example\nbuild:\n  path: docker-context\n"
        registered = self.client.environments.create_or_update(load_environment(self.write("environment.yml", text)))
        self.assertTrue(self.client.environments.get(registered.name, registered.version).build.path.endswith("/docker-context/"))
        job = f"command: >-\n  {USES}\nenvironment:\n  build:\n    path: docker-context\ncompute: azureml:cpu\n"
        first = self.completed(load_job(self.write("job.yml", job)))
        again = self.completed(command(command=USES, environment=f"azureml:{registered.name}:{registered.version}", compute="cpu"))
        image = first.properties["strongroom.environment.image"]
        self.assertEqual(again.properties["strongroom.environment.image"], image)
        repository, digest = image.split("@")
        registry = self.client.workspaces.get("dockerfiles").container_registry.rsplit("/", 1)[-1].lower()
        listed = strongroom.registry(f"{registry}/{repository}/referrers/{digest}")["manifests"][0]["digest"]
        blob = strongroom.registry(f"{registry}/{repository}/manifests/{listed}")["layers"][0]["digest"]
        bill = strongroom.registry(f"{registry}/{repository}/blobs/{blob}")
        self.assertIn("six", json.dumps([each["name"] for each in bill["components"]]))

    def test_a_step_of_a_pipeline_runs_in_one(self):
        self.write("component.yml", f"type: command\nname: built\nversion: 1\ncommand: >-\n  {USES}\nenvironment:\n  build:\n    path: docker-context\n")
        text = "type: pipeline\njobs:\n  only:\n    type: command\n    component: ./component.yml\n    compute: azureml:cpu\n"
        self.completed(load_job(self.write("pipeline.yml", text)))

    def test_what_is_not_done_is_refused_by_its_line_and_a_command_that_fails_is_named(self):
        self.write("refused/Dockerfile", "FROM python:3.8\nRUN --mount=type=cache,target=/x pip install six\n")
        refused = Environment(build=BuildContext(path=str(self.folder / "refused")))
        with self.assertRaises(HttpResponseError) as raised:
            self.client.jobs.create_or_update(command(command="true", environment=refused, compute="cpu"))
        self.assertIn("line 2: RUN --mount", str(raised.exception))
        self.write("failing/here.dockerfile", "FROM python:3.8\nRUN apt-get install -y r-base\n")
        failing = Environment(build=BuildContext(path=str(self.folder / "failing"), dockerfile_path="here.dockerfile"))
        name = self.client.jobs.create_or_update(command(command="true", environment=failing, compute="cpu")).name
        self.assertEqual(self.ended(name).status, "Failed")
        error = strongroom.arm("GET", f"{strongroom.SUBSCRIPTION}/resourceGroups/{self.client.resource_group_name}/providers/Microsoft.MachineLearningServices/workspaces/dockerfiles/jobs/{name}")["properties"]["error"]
        self.assertEqual(error["code"], "EnvironmentBuildFailed")
        self.assertIn("Line 2 of the Dockerfile, RUN apt-get install -y r-base", error["message"])


if __name__ == "__main__":
    unittest.main()
