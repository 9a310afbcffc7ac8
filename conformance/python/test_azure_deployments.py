"""azure-ai-ml: models that are deployed and invoked, with a script, and without one those that MLflow has written."""

import json
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import strongroom  # noqa: E402
from signed_in import CREDENTIAL, TENANT, ended  # noqa: E402

from azure.ai.ml import MLClient, command, load_online_deployment, load_online_endpoint  # noqa: E402
from azure.ai.ml.entities import (  # noqa: E402
    CodeConfiguration,
    Environment,
    ManagedOnlineDeployment,
    ManagedOnlineEndpoint,
    Model,
)
from azure.core.exceptions import HttpResponseError  # noqa: E402
import requests  # noqa: E402

NODE_PYTHON = "strongroom/node-python"
READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
COLUMNS = ["sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)"]
ROWS = [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]

#: Logged as a data scientist logs it; the list of requirements is shorter than mlflow's own, which has all of mlflow.
TRAINING = """
import mlflow
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

features, species = load_iris(return_X_y=True, as_frame=True)
with mlflow.start_run():
    model = LogisticRegression(max_iter=500).fit(features, species)
    mlflow.sklearn.log_model(
        model,
        name="classifier",
        signature=mlflow.models.infer_signature(features, model.predict(features)),
        serialization_format="cloudpickle",
        pip_requirements=["mlflow-skinny", "scikit-learn", "pandas", "cloudpickle"],
    )
"""


class Deployments(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.workspace = strongroom.workspace("deployments")
        subscription, group = strongroom.BOOTSTRAP["subscriptionId"], cls.workspace.split("/")[4]
        cls.client = MLClient(CREDENTIAL, subscription, group, "deployments", enable_telemetry=False, show_progress=False)
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        cls.write("endpoint.yml", "name: iris\nauth_mode: key\n")
        cls.client.online_endpoints.begin_create_or_update(load_online_endpoint(cls.folder / "endpoint.yml")).result()

    @classmethod
    def write(cls, path, text):
        (cls.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (cls.folder / path).write_text(text)
        return str(cls.folder / path)

    def invoke(self, deployment, body):
        request = self.write("request.json", json.dumps(body))
        return json.loads(self.client.online_endpoints.invoke("iris", deployment_name=deployment, request_file=request))

    def score(self, endpoint, key):
        """The status of a request with a key of one's own choice, which the SDK does not send."""
        uri = self.client.online_endpoints.get(endpoint).scoring_uri
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        return requests.post(uri, data="{}", headers=headers, timeout=30).status_code

    def test_a_deployed_model_is_invoked(self):
        # First by its name: from the first invoke() that names a deployment on, the client sends that name with each that names none.
        self.write("answer/model.py", "{}")
        # Below its own name, as in Azure: scripts are written so.
        init = "import os\n\ndef init():\n    open(os.path.join(os.environ['AZUREML_MODEL_DIR'], 'answer', 'model.py'))\n"
        self.write("scoring/score.py", f"{init}\ndef run(data):\n    return [1, 2]\n")
        self.client.models.create_or_update(Model(path=str(self.folder / "answer"), name="answer"))
        endpoint = ManagedOnlineEndpoint(name="answers", auth_mode="key")
        made = self.client.online_endpoints.begin_create_or_update(endpoint).result()
        # The client asks for one with every endpoint.
        self.assertEqual((made.identity.type, made.identity.tenant_id), ("system_assigned", TENANT))
        strongroom.assign(self.workspace, READER, made.identity.principal_id)
        deployment = ManagedOnlineDeployment(
            name="blue",
            endpoint_name="answers",
            model="azureml:answer:1",
            code_configuration=CodeConfiguration(str(self.folder / "scoring"), "score.py"),
            instance_type="Standard_F2s_v2",
            instance_count=1,
        )
        self.client.online_deployments.begin_create_or_update(deployment).result()
        read = self.client.online_endpoints.get("answers")
        read.traffic = {"blue": 100}
        self.client.online_endpoints.begin_create_or_update(read).result()
        self.assertTrue(self.client.online_endpoints.get_keys("answers").primary_key)
        with tempfile.NamedTemporaryFile("w", suffix=".json") as request:
            request.write("{}")
            request.flush()
            answer = self.client.online_endpoints.invoke("answers", request_file=request.name)
        self.assertEqual(json.loads(answer), [1, 2])
        for key in ("primary", "secondary"):
            before = self.client.online_endpoints.get_keys("answers")
            self.client.online_endpoints.begin_regenerate_keys("answers", key_type=key).result()
            after = self.client.online_endpoints.get_keys("answers")
            self.assertNotEqual(getattr(before, f"{key}_key"), getattr(after, f"{key}_key"))
            self.assertEqual(self.score("answers", getattr(before, f"{key}_key")), 401)
            self.assertEqual(self.score("answers", getattr(after, f"{key}_key")), 200)
        self.client.online_endpoints.begin_delete("answers").result()
        self.assertNotIn("answers", [item.name for item in self.client.online_endpoints.list()])

    def test_a_model_that_a_job_has_logged_is_registered_and_answers_without_a_script(self):
        self.write("src/train.py", TRAINING)
        conda = {"dependencies": ["scikit-learn", "pandas", {"pip": ["mlflow-skinny"]}]}
        job = self.client.jobs.create_or_update(
            command(
                code=str(self.folder / "src"),
                command="python train.py",
                environment=Environment(image=NODE_PYTHON, conda_file=conda),
            )
        )
        self.assertEqual(ended(self.client, job.name, seconds=900).status, "Completed")
        path = f"azureml://jobs/{job.name}/outputs/artifacts/paths/classifier/"
        model = self.client.models.create_or_update(Model(name="iris", path=path, type="mlflow_model"))
        text = f"name: blue\nendpoint_name: iris\nmodel: azureml:iris:{model.version}\ninstance_type: Standard_DS3_v2\ninstance_count: 1\n"
        deployment = load_online_deployment(self.write("deployment.yml", text))
        made = self.client.online_deployments.begin_create_or_update(deployment).result()
        self.assertEqual(made.provisioning_state, "Succeeded")
        table = {"columns": COLUMNS, "index": [0, 1], "data": ROWS}
        self.assertEqual(self.invoke("blue", {"input_data": table}), [0, 2])
        self.assertEqual(self.invoke("blue", {"input_data": [dict(zip(COLUMNS, ROWS[1]))]}), [2])
        self.assertEqual(self.invoke("blue", {"dataframe_split": table}), {"predictions": [0, 2]})
        with self.assertRaises(HttpResponseError) as refused:
            self.invoke("blue", {"input_data": {"columns": COLUMNS[:3], "data": [ROWS[0][:3]]}})
        self.assertEqual(refused.exception.status_code, 424)
        self.assertIn("missing inputs ['petal width (cm)']", str(refused.exception))
        self.assertIn("the model is loaded, by mlflow", self.client.online_deployments.get_logs("blue", "iris", lines=20))

    def test_a_model_beside_the_file_of_its_deployment_is_registered_with_it_and_brings_code_of_its_own(self):
        mlmodel = "flavors:\n  python_function:\n    code: code\n    env: conda.yaml\n    loader_module: adding\n"
        self.write("model/MLmodel", mlmodel)
        self.write("model/conda.yaml", "dependencies:\n- pip:\n  - mlflow-skinny\n")
        self.write(
            "model/code/adding.py",
            "class Adding:\n    def predict(self, table):\n        return table.sum(axis=1)\n\n\ndef _load_pyfunc(path):\n    return Adding()\n",
        )
        model = "model:\n  name: adding\n  version: 2\n  path: model\n  type: mlflow_model\n"
        text = f"name: adding\nendpoint_name: iris\n{model}instance_type: Standard_DS3_v2\ninstance_count: 1\n"
        deployment = load_online_deployment(self.write("adding.yml", text))
        self.assertEqual(
            self.client.online_deployments.begin_create_or_update(deployment).result().provisioning_state, "Succeeded"
        )
        table = {"columns": ["a", "b"], "index": [0], "data": [[1, 2]]}
        self.assertEqual(self.invoke("adding", {"input_data": table}), [{"0": 3}])

    def test_what_cannot_be_served_without_a_script_says_why(self):
        self.write("weights/weights.json", "{}")
        for kind, says in (("custom_model", "Only a model of type mlflow_model"), ("mlflow_model", "no file MLmodel at its top")):
            model = Model(name=f"plain-{kind.replace('_', '-')}", path=str(self.folder / "weights"), type=kind)
            deployment = ManagedOnlineDeployment(
                name="none", endpoint_name="iris", model=model, instance_type="Standard_DS3_v2", instance_count=1
            )
            with self.assertRaises(HttpResponseError) as refused:
                self.client.online_deployments.begin_create_or_update(deployment).result()
            self.assertIn(says, str(refused.exception))


if __name__ == "__main__":
    unittest.main()
