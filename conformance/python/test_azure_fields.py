"""Every field that azure-ai-ml can send is honoured, kept and shown as having no effect, or refused by its name: none is dropped.

`fields.json` names what is honoured with the test that shows it, and openapi/properties.md what is kept or ignored. All else is
sent, one field at a time, and has to be refused. A field of a newer client that the server takes in silence fails here.
"""

import json
import re
import sys
import unittest
import urllib.error
import urllib.request
import uuid
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import strongroom  # noqa: E402
from signed_in import URL  # noqa: E402, F401 before azure-ai-ml, which reads the variables when it is loaded

import fields  # noqa: E402
from azure.ai.ml._restclient.arm_ml_service import models  # noqa: E402
from azure.ai.ml._schema.component.command_component import CommandComponentSchema  # noqa: E402
from azure.ai.ml._schema.component.parallel_component import ParallelComponentSchema  # noqa: E402
from azure.ai.ml._schema.pipeline.component_job import CommandSchema, SweepSchema  # noqa: E402
from azure.ai.ml._schema.pipeline.pipeline_component import PipelineComponentSchema  # noqa: E402
from azure.ai.ml._schema.pipeline.settings import PipelineJobSettingsSchema  # noqa: E402

ROOT = Path(__file__).parents[2]
TABLE = json.loads((Path(__file__).parent / "fields.json").read_text())
#: Of a field, and not of what stands in it: that says something only of values.
REFUSED = re.compile(r"not served|is not a (property|part) of|is not known|have not here|[Ll]eave [\w.,' ]+ out")
LOCATION = strongroom.BOOTSTRAP["location"]


def unserved():
    """By type of resource, the paths that the server says to keep or to ignore."""
    rows, heading = {}, None
    for line in (ROOT / "openapi/properties.md").read_text().splitlines():
        if line.startswith("## "):
            heading = line[3:]
        elif found := re.match(r"\| `(properties\.[^`]+)` \| (kept|ignored) \|", line):
            rows.setdefault(heading, set()).add(found[1])
    return rows


class Fields(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.workspace = strongroom.workspace("fields")
        cls.unserved = unserved()
        cls.token = strongroom.token()
        cls.compute = f"{cls.workspace}/computes/idle"
        # Without nodes: what is taken here by mistake runs nowhere.
        none = {"computeType": "AmlCompute", "properties": {"scaleSettings": {"minNodeCount": 0, "maxNodeCount": 0}}}
        strongroom.arm("PUT", cls.compute, {"location": LOCATION, "properties": none})
        strongroom.ready(cls.compute)
        cls.environment = f"{cls.workspace}/environments/plain/versions/1"
        strongroom.arm("PUT", cls.environment, {"properties": {"image": "strongroom/node-python"}})
        strongroom.arm("PUT", f"{cls.workspace}/onlineEndpoints/asked", {"location": LOCATION, "properties": {"authMode": "Key"}})
        strongroom.ready(f"{cls.workspace}/onlineEndpoints/asked")
        spec = {"type": "command", "command": "echo ${{inputs.a}}", "environment": cls.environment, "inputs": {"a": {"type": "number"}}}
        cls.component = f"{cls.workspace}/components/tried/versions/1"
        strongroom.arm("PUT", cls.component, {"properties": {"componentSpec": spec}})

    def put(self, path, body):
        """Status and error of one request."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        url = f"{URL}{path}?api-version=2024-10-01"
        request = urllib.request.Request(url, json.dumps(body).encode(), headers, method="PUT")
        try:
            with urllib.request.urlopen(request, context=strongroom.TLS, timeout=60) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as refused:
            return refused.code, json.loads(refused.read())["error"]

    def hold(self, name, found, collection, base, shown=""):
        """Every field of a type: in the table, among what is told to have no effect, or refused by its name when it is sent."""
        honoured, idle = TABLE[name].get("honoured", {}), TABLE[name].get("without effect", {})
        told = self.unserved.get(f"Microsoft.MachineLearningServices/workspaces{shown}", set())
        known, wrong = set(), []
        for field in found:
            general = re.sub(r"\{\w+\}", "{}", field.path)
            plain = general.replace("{}", "")
            key = next((key for key in (field.path, general) if key in honoured or key in idle), None)
            if key is not None:
                known.add(key)
                continue
            if any(plain == path or plain.startswith(f"{path}.") for path in told):
                continue
            path = f"{self.workspace}/{collection.replace('NAME', 'f' + uuid.uuid4().hex[:10])}"
            status, answer = self.put(path, field.within(base))
            said = f"{answer.get('target', '')} {answer.get('message', '')}"
            names = {step for step in field.steps if step not in ("properties", "*", "[]")}
            is_named = any(each in said for each in names | {word for _, word in field.kinds})
            if status != 400 or not is_named or not REFUSED.search(said):
                wrong.append(f"{field.path} = {json.dumps(field.example)}: {status} {said or json.dumps(answer)[:200]}")
        if wrong:
            self.fail("\n".join([f"{len(wrong)} fields of {name} are neither honoured, nor kept, nor refused by their names:", *wrong]))
        self.assertEqual(sorted({*honoured, *idle} - known), [], "what the table says that no client sends")
        missing = [f"{path} in {test}" for path, test in honoured.items() if not self.is_in(path, test)]
        self.assertEqual(missing, [], "honoured, and the test that is named does not speak of it")

    def is_in(self, path, test):
        """Whether a test has the last name of a path."""
        names = [step for step in re.sub(r"\{\w*\}|\[\]", "", path).split(".") if step != "*"]
        return re.search(rf"\b{names[-1]}\b", (ROOT / test).read_text()) is not None

    def of(self, model, collection, base, shown="", **more):
        found = fields.of_model(getattr(models, model), ("properties",), **more)
        self.hold(model, found, collection, base, shown or "/" + collection.replace("/NAME", ""))

    def test_command_jobs(self):
        job = {"jobType": "Command", "command": "true", "computeId": self.compute, "environmentId": self.environment}
        self.of("CommandJob", "jobs/NAME", {"properties": job})

    def test_sweep_jobs(self):
        sweep = {
            "jobType": "Sweep",
            "computeId": self.compute,
            "trial": {"command": "echo ${{search_space.a}}", "environmentId": self.environment},
            "searchSpace": {"a": ["choice", [[1, 2]]]},
            "samplingAlgorithm": {"samplingAlgorithmType": "Random"},
            "objective": {"goal": "Maximize", "primaryMetric": "m"},
            "limits": {"jobLimitsType": "Sweep", "maxTotalTrials": 1, "maxConcurrentTrials": 1},
        }
        self.of("SweepJob", "jobs/NAME", {"properties": sweep})

    def pipeline(self, step):
        return {"properties": {"jobType": "Pipeline", "computeId": self.compute, "jobs": {"a": step}}}

    def test_pipeline_jobs(self):
        step = {"type": "command", "command": "true", "environment": self.environment}
        self.of("PipelineJob", "jobs/NAME", self.pipeline(step), beyond=("jobs", "settings"))

    def test_settings_of_pipelines(self):
        step = {"type": "command", "command": "true", "environment": self.environment}
        found = fields.of_schema(PipelineJobSettingsSchema, ("properties", "settings"))
        self.hold("settings", found, "jobs/NAME", self.pipeline(step))

    def test_steps(self):
        step = {"type": "command", "command": "true", "environment": self.environment}
        found = fields.of_schema(CommandSchema, ("properties", "jobs", "a"), beyond=("environment", "component"))
        self.hold("step", found, "jobs/NAME", self.pipeline(step))

    def test_steps_that_are_sweeps(self):
        step = {
            "type": "sweep",
            "trial": {"componentId": self.component},
            "search_space": {"a": {"type": "choice", "values": [1, 2]}},
            "objective": {"goal": "maximize", "primary_metric": "m"},
            "limits": {"max_total_trials": 1},
        }
        beyond = ("environment", "trial", "search_space")
        found = fields.of_schema(SweepSchema, ("properties", "jobs", "a"), beyond=beyond)
        self.hold("sweep step", found, "jobs/NAME", self.pipeline(step))

    def parallel(self, **more):
        task = {"type": "run_function", "entry_script": "a.py", "environment": self.environment}
        return {"type": "parallel", "task": task, "input_data": "${{inputs.k}}", "mini_batch_size": "5", **more}

    def test_components_that_run_in_parallel(self):
        spec = self.parallel(inputs={"k": {"type": "uri_folder"}}, outputs={"k": {"type": "uri_folder"}})
        found = fields.of_schema(ParallelComponentSchema, ("properties", "componentSpec"), beyond=("environment", "code"))
        self.hold("parallel component", found, "components/NAME/versions/1", {"properties": {"componentSpec": spec}})

    def test_components(self):
        spec = {"type": "command", "command": "echo ${{inputs.k}}", "environment": self.environment, "inputs": {"k": {"type": "integer"}}}
        found = fields.of_schema(CommandComponentSchema, ("properties", "componentSpec"), beyond=("environment",))
        self.hold("component", found, "components/NAME/versions/1", {"properties": {"componentSpec": spec}})

    def test_components_that_are_pipelines(self):
        step = {"type": "command", "componentId": self.component, "inputs": {"a": "${{parent.inputs.k}}"}}
        spec = {"type": "pipeline", "inputs": {"k": {"type": "number"}}, "jobs": {"a": step}}
        found = fields.of_schema(PipelineComponentSchema, ("properties", "componentSpec"), beyond=("jobs",))
        self.hold("pipeline component", found, "components/NAME/versions/1", {"properties": {"componentSpec": spec}})

    def test_versions_of_components(self):
        spec = {"type": "command", "command": "true", "environment": self.environment}
        base = {"properties": {"componentSpec": spec}}
        self.of("ComponentVersionProperties", "components/NAME/versions/1", base, "/components/versions")

    def test_schedules(self):
        job = {"jobType": "Command", "command": "true", "computeId": self.compute, "environmentId": self.environment}
        trigger = {"triggerType": "Cron", "expression": "0 6 1 1 *"}
        base = {"properties": {"trigger": trigger, "action": {"actionType": "CreateJob", "jobDefinition": job}}}
        # A definition is held to what a job of its type is held to.
        self.of("ScheduleProperties", "schedules/NAME", base, beyond=("jobDefinition", "monitorDefinition"))

    def test_connections(self):
        kinds = fields.concrete(models.WorkspaceConnectionPropertiesV2)
        found = {each.path: each for kind in kinds for each in fields.of_model(kind, ("properties",))}
        base = {"properties": {"authType": "PAT", "category": "Git", "target": "https://x", "credentials": {"pat": "p"}}}
        self.hold("connection", found.values(), "connections/NAME", base, "/connections")

    def test_online_endpoints(self):
        self.of("OnlineEndpointProperties", "onlineEndpoints/NAME", {"location": LOCATION, "properties": {"authMode": "Key"}})

    def test_online_deployments(self):
        properties = {
            "endpointComputeType": "Managed",
            "model": f"{self.workspace}/models/none/versions/1",
            "codeConfiguration": {"codeId": f"{self.workspace}/codes/none/versions/1", "scoringScript": "s.py"},
        }
        base = {"location": LOCATION, "sku": {"name": "Default", "capacity": 1}, "properties": properties}
        self.of("ManagedOnlineDeployment", "onlineEndpoints/asked/deployments/NAME", base, "/onlineEndpoints/deployments")

    def test_clusters(self):
        scale = {"scaleSettings": {"minNodeCount": 0, "maxNodeCount": 0}}
        base = {"location": LOCATION, "properties": {"computeType": "AmlCompute", "properties": scale}}
        self.of("AmlCompute", "computes/NAME", base)

    def test_environments(self):
        base = {"properties": {"image": "strongroom/node-python"}}
        self.of("EnvironmentVersionProperties", "environments/NAME/versions/1", base, "/environments/versions")

    def test_models(self):
        base = {"properties": {"modelUri": "azureml://datastores/workspaceblobstore/paths/x"}}
        self.of("ModelVersionProperties", "models/NAME/versions/1", base, "/models/versions")

    def test_code(self):
        base = {"properties": {"codeUri": f"azureml://snapshots/sha256:{'0' * 64}"}}
        self.of("CodeVersionProperties", "codes/NAME/versions/1", base, "/codes/versions")

    def test_data(self):
        for model, kind in (("UriFolderDataVersion", "uri_folder"), ("UriFileDataVersion", "uri_file"), ("MLTableData", "mltable")):
            base = {"properties": {"dataType": kind, "dataUri": "azureml://datastores/workspaceblobstore/paths/x"}}
            self.of(model, "data/NAME/versions/1", base, "/data/versions")

    def test_containers_of_assets(self):
        for model, collection in (("ModelContainerProperties", "models"), ("EnvironmentContainerProperties", "environments")):
            self.of(model, f"{collection}/NAME", {"properties": {}})

    def test_datastores(self):
        account = strongroom.arm("GET", self.workspace)["properties"]["storageAccount"].split("/")[-1]
        credentials = {"credentialsType": "None"}
        properties = {"datastoreType": "AzureBlob", "accountName": account, "containerName": "asked", "credentials": credentials}
        self.of("AzureBlobDatastore", "datastores/NAME", {"properties": properties})

    def test_workspaces(self):
        base = {"location": LOCATION, "identity": {"type": "SystemAssigned"}, "properties": {}}
        found = list(fields.of_model(models.WorkspaceProperties, ("properties",)))
        place, self.workspace = self.workspace, self.workspace.rsplit("/", 1)[0]
        try:
            self.hold("WorkspaceProperties", found, "NAME", base)
        finally:
            self.workspace = place


if __name__ == "__main__":
    unittest.main()
