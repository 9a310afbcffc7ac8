"""Pipelines in each other, parallel steps and sweeps by azure-ai-ml, unpatched: from functions that call one another, from YAML, and registered."""

import sys
import tempfile
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import strongroom  # noqa: E402
from signed_in import CREDENTIAL, ended  # noqa: E402

from azure.ai.ml import Input, MLClient, Output, command, load_component, load_job  # noqa: E402
from azure.ai.ml.dsl import pipeline  # noqa: E402
from azure.ai.ml.entities import AmlCompute, Environment  # noqa: E402
from azure.ai.ml.parallel import RunFunction, parallel_run_function  # noqa: E402
from azure.ai.ml.sweep import Choice, MedianStoppingPolicy, Uniform  # noqa: E402
from azure.core.exceptions import HttpResponseError  # noqa: E402

NODE_PYTHON = "strongroom/node-python"


class Pipelines(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        workspace = strongroom.workspace("pipelines")
        subscription, group = strongroom.BOOTSTRAP["subscriptionId"], workspace.split("/")[4]
        cls.client = MLClient(CREDENTIAL, subscription, group, "pipelines", enable_telemetry=False, show_progress=False)
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        cluster = AmlCompute(name="cpu", size="Standard_DS3_v2", min_instances=0, max_instances=1)
        cls.client.compute.begin_create_or_update(cluster).result()
        cls.client.environments.create_or_update(Environment(name="plain", image=NODE_PYTHON))

    def tearDown(self):
        """What a test left running goes: the cluster has one node, which the others wait for."""
        for job in self.client.jobs.list():
            if job.status not in ("Completed", "Failed", "Canceled"):
                self.client.jobs.begin_cancel(job.name).result()

    def children(self, name):
        """The names of a job's children below it, and how each ended."""
        found = self.client.jobs.list(parent_job_name=name)
        return {child.name.removeprefix(f"{name}_"): child.status for child in found}

    def begun(self, name, children, seconds=60):
        """Waits until a job has these children: they are made after it was accepted, one after another."""
        end = time.monotonic() + seconds
        while (found := set(self.children(name))) != children:
            assert found < children and time.monotonic() < end, f"{name} has the children {found}, not {children}"
            time.sleep(0.1)

    def write(self, name, text):
        (self.folder / name).parent.mkdir(exist_ok=True)
        (self.folder / name).write_text(text)
        return self.folder / name

    def test_functions_that_call_one_another_run_as_pipelines_in_each_other(self):
        write = command(
            name="write",
            command="echo ${{inputs.word}} > ${{outputs.text}}/a.txt",
            inputs={"word": Input(type="string")},
            outputs={"text": Output(type="uri_folder")},
            environment="azureml:plain:1",
        )
        double = command(
            name="double",
            command="cat ${{inputs.text}}/a.txt ${{inputs.text}}/a.txt > ${{outputs.text}}/a.txt",
            inputs={"text": Input(type="uri_folder")},
            outputs={"text": Output(type="uri_folder", mode="upload")},
            environment="azureml:plain:1",
        )

        @pipeline()
        def quadruple(text: Input(type="uri_folder"), node: str):
            first = double(text=text)
            first.compute = node
            second = double(text=first.outputs.text)
            return {"text": second.outputs.text}

        @pipeline()
        def written(word: str, node: str, times: int = 1):
            begun = write(word=word)
            more = quadruple(text=begun.outputs.text, node=node)
            return {"text": more.outputs.text}

        registered = self.client.components.create_or_update(written)

        @pipeline(default_compute="cpu")
        def whole(word: str):
            once = written(word=word, node="cpu")
            again = registered(word=word, node="cpu")
            both = quadruple(text=once.outputs.text, node="cpu")
            both.name = "both"
            return {"text": both.outputs.text, "again": again.outputs.text}

        name = self.client.jobs.create_or_update(whole(word="hello")).name
        self.assertEqual(ended(self.client, name).status, "Completed")
        self.assertEqual(self.children(name), {"once": "Completed", "again": "Completed", "both": "Completed"})
        self.assertEqual(set(self.children(f"{name}_once")), {"begun", "more"})
        self.assertEqual(set(self.children(f"{name}_both")), {"first", "second"})
        self.assertEqual(self.client.jobs.get(f"{name}_once_more").status, "Completed")
        self.client.jobs.download(name, download_path=self.folder / "out", output_name="text")
        self.assertEqual((self.folder / "out/named-outputs/text/a.txt").read_text(), "hello\n" * 16)
        self.client.jobs.download(f"{name}_again", download_path=self.folder / "again", output_name="text")
        self.assertEqual((self.folder / "again/named-outputs/text/a.txt").read_text(), "hello\n" * 4)

        # The same once more: nothing is run, whatever level it stands at.
        twice = self.client.jobs.create_or_update(whole(word="hello")).name
        self.assertEqual(ended(self.client, twice).status, "Completed")
        self.assertEqual(self.children(f"{twice}_once_more"), {})

        # Outputs become assets: of a step, and of a pipeline, where the client sends that of a step which is wired to it.
        @pipeline(default_compute="cpu")
        def kept(word: str):
            begun = write(word=word)
            begun.outputs.text.name, begun.outputs.text.version = "words", "2"
            aside = write(word=word)
            aside.outputs.text.name, aside.outputs.text.version = "words-aside", "5"
            return {"text": begun.outputs.text}

        left = self.client.jobs.create_or_update(kept(word="kept")).name
        self.assertEqual(ended(self.client, left).status, "Completed")
        for asset, version, step in (("words", "2", "begun"), ("words-aside", "5", "aside")):
            self.assertIn(f"{left}_{step}", self.client.data.get(asset, version).path)

        # A registered one is a job of its own, and read again has its steps.
        read = self.client.components.get(registered.name, registered.version)
        self.assertEqual((read.type, sorted(read.jobs)), ("pipeline", ["begun", "more"]))
        alone = registered(word="alone", node="cpu")
        alone.settings.default_compute = "cpu"
        made = self.client.jobs.create_or_update(alone)
        self.assertEqual(ended(self.client, made.name).status, "Completed")
        self.client.jobs.download(made.name, download_path=self.folder / "alone", output_name="text")
        self.assertEqual((self.folder / "alone/named-outputs/text/a.txt").read_text(), "alone\n" * 4)

    def test_a_component_of_yaml_is_a_step_and_is_canceled_with_what_it_stands_in(self):
        self.write("wait.yml", "type: command\ncommand: sleep ${{inputs.seconds}}\nenvironment: azureml:plain:1\ninputs: {seconds: {type: integer, max: 600}}\n")
        inner = self.write(
            "inner.yml",
            "type: pipeline\nname: inner\ninputs: {long: {type: number}}\n"
            "jobs:\n  wait:\n    type: command\n    component: ./wait.yml\n    inputs: {seconds: '${{parent.inputs.long}}'}\n",
        )
        registered = self.client.components.create_or_update(load_component(inner))
        self.assertEqual((registered.name, registered.version, list(registered.jobs)), ("inner", "1", ["wait"]))
        text = (
            "type: pipeline\nsettings: {default_compute: azureml:cpu}\ninputs: {long: %s}\n"
            "jobs:\n  by_file: {type: pipeline, component: ./inner.yml, inputs: {long: '${{parent.inputs.long}}'}}\n"
            "  by_name: {type: pipeline, component: azureml:inner@latest, inputs: {long: 500}}\n"
        )
        name = self.client.jobs.create_or_update(load_job(self.write("outer.yml", text % 400))).name
        self.begun(name, {"by_file", "by_name"})
        self.begun(f"{name}_by_name", {"wait"})
        self.client.jobs.begin_cancel(name).result()
        self.assertEqual(ended(self.client, name).status, "Canceled")
        self.assertEqual(self.children(f"{name}_by_name"), {"wait": "Canceled"})
        for wrong, said in ((700, "at most 600"), ("1.5", "not of the type integer")):
            with self.assertRaises(HttpResponseError) as refused:
                self.client.jobs.create_or_update(load_job(self.write("wrong.yml", text % wrong)))
            self.assertIn(said, str(refused.exception))

    def test_a_sweep_learns_from_its_trials(self):
        self.write(
            "try/log.py",
            "import json, os, sys, time, urllib.request\n"
            "body = {'run_id': os.environ['MLFLOW_RUN_ID'], 'key': 'loss', 'value': (float(sys.argv[1]) - 0.3) ** 2,"
            " 'timestamp': int(time.time() * 1000), 'step': 0}\n"
            "url = os.environ['MLFLOW_TRACKING_URI'] + '/api/2.0/mlflow/runs/log-metric'\n"
            "headers = {'authorization': 'Bearer ' + os.environ['MLFLOW_TRACKING_TOKEN'], 'content-type': 'application/json'}\n"
            "urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), headers))\n",
        )
        tried = command(
            code=str(self.folder / "try"),
            command="python3 log.py ${{inputs.rate}} ${{inputs.kind}}",
            inputs={"rate": 0.5, "kind": "a"},
            environment="azureml:plain:1",
            compute="cpu",
        )(rate=Uniform(min_value=0, max_value=1), kind=Choice(["a", "b"]))
        sweep = tried.sweep(sampling_algorithm="bayesian", primary_metric="loss", goal="minimize")
        sweep.set_limits(max_total_trials=12, max_concurrent_trials=2, timeout=600)
        name = self.client.jobs.create_or_update(sweep).name
        read = ended(self.client, name)
        self.assertEqual((read.status, read.sampling_algorithm.type), ("Completed", "bayesian"))
        self.assertEqual(len(self.children(name)), 12)
        self.assertIn("best_child_run_id", read.properties)
        sweep.early_termination = MedianStoppingPolicy(evaluation_interval=1)
        with self.assertRaises(HttpResponseError) as refused:
            self.client.jobs.create_or_update(sweep)
        self.assertIn("takes no earlyTermination", str(refused.exception))

    def test_a_function_is_run_over_files_in_mini_batches(self):
        for number in range(7):
            self.write(f"files/{number}.txt", str(number))
        self.write(
            "run/entry.py",
            "import os, sys\n\n"
            "def init():\n    global word\n    word = sys.argv[sys.argv.index('--word') + 1]\n\n"
            "def run(mini_batch):\n"
            "    if word == 'fails' and mini_batch[0].endswith('0.txt'):\n        raise ValueError('odd')\n"
            "    return [word + open(path).read() for path in mini_batch]\n",
        )
        each = parallel_run_function(
            name="each",
            inputs={"data": Input(type="uri_folder"), "word": Input(type="string", default="x")},
            outputs={"rows": Output(type="uri_folder", mode="rw_mount")},
            input_data="${{inputs.data}}",
            instance_count=2,
            max_concurrency_per_instance=2,
            mini_batch_size="2",
            mini_batch_error_threshold=0,
            retry_settings={"max_retries": 1, "timeout": 60},
            logging_level="DEBUG",
            environment_variables={"A": "b"},
            task=RunFunction(
                code=str(self.folder / "run"),
                entry_script="entry.py",
                program_arguments="--word ${{inputs.word}}",
                append_row_to="${{outputs.rows}}/rows.csv",
                environment="azureml:plain:1",
            ),
        )

        @pipeline(default_compute="cpu")
        def whole(data: Input(type="uri_folder"), word: str):
            step = each(data=data, word=word)
            return {"rows": step.outputs.rows}

        data = Input(type="uri_folder", path=str(self.folder / "files"))
        name = self.client.jobs.create_or_update(whole(data=data, word="it's ")).name
        self.assertEqual(ended(self.client, name).status, "Completed")
        self.client.jobs.download(name, download_path=self.folder / "rows", output_name="rows")
        rows = (self.folder / "rows/named-outputs/rows/rows.csv").read_text().splitlines()
        self.assertEqual(rows, [f"it's {number}" for number in range(7)])
        failed = self.client.jobs.create_or_update(whole(data=data, word="fails")).name
        self.assertEqual(ended(self.client, failed).status, "Failed")
        (step,) = self.children(failed)
        self.client.jobs.download(f"{failed}_{step}", download_path=self.folder / "log", all=True)
        said = (self.folder / "log/artifacts/user_logs/std_log.txt").read_text()
        self.assertIn("mini_batch_error_threshold is 0", said)

        # From YAML, and registered.
        self.write(
            "each.yml",
            "type: parallel\nname: each\ninputs: {data: {type: uri_folder}}\noutputs: {rows: {type: uri_folder}}\n"
            "input_data: ${{inputs.data}}\nmini_batch_size: '3'\nresources: {instance_count: 1}\n"
            "max_concurrency_per_instance: 1\nretry_settings: {max_retries: 1, timeout: 60}\n"
            "task:\n  type: run_function\n  code: ./run\n  entry_script: entry.py\n  environment: azureml:plain:1\n"
            "  program_arguments: --word y\n  append_row_to: ${{outputs.rows}}\n",
        )
        made = self.client.components.create_or_update(load_component(self.folder / "each.yml"))
        self.assertEqual((made.type, made.version), ("parallel", "1"))
        self.write(
            "both.yml",
            "type: pipeline\nsettings: {default_compute: azureml:cpu}\noutputs: {rows: {type: uri_folder}}\njobs:\n"
            "  named:\n    type: parallel\n    component: azureml:each:1\n    mini_batch_size: '1'\n"
            "    inputs: {data: {type: uri_folder, path: ./files}}\n    outputs: {rows: '${{parent.outputs.rows}}'}\n",
        )
        name = self.client.jobs.create_or_update(load_job(self.folder / "both.yml")).name
        self.assertEqual(ended(self.client, name).status, "Completed")
        self.client.jobs.download(name, download_path=self.folder / "named", output_name="rows")
        rows = (self.folder / "named/named-outputs/rows/parallel_run_step.txt").read_text().splitlines()
        self.assertEqual(rows, [f"y{number}" for number in range(7)])


if __name__ == "__main__":
    unittest.main()
