"""azure-ai-ml, unpatched, with the clients of Azure that it stands on."""

import contextlib
import io
import json
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import strongroom  # noqa: E402
from signed_in import CREDENTIAL, KEY_VAULT_ADMINISTRATOR, TENANT, ended  # noqa: E402

from azure.ai.ml import Input, MLClient, MpiDistribution, Output, PyTorchDistribution, command, load_job  # noqa: E402
from azure.ai.ml.entities import (  # noqa: E402
    AmlCompute,
    Data,
    CustomerManagedKey,
    Environment,
    Model,
    Workspace,
)
from azure.ai.ml.entities._load_functions import load_schedule  # noqa: E402
from azure.ai.ml.exceptions import JobException  # noqa: E402
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError  # noqa: E402
from azure.keyvault.keys import KeyClient  # noqa: E402
from azure.keyvault.secrets import SecretClient  # noqa: E402
from cyclonedx.schema import SchemaVersion  # noqa: E402
from cyclonedx.validation.json import JsonStrictValidator  # noqa: E402

#: The image of an environment that has none; the SDK makes no environment without one.
NODE_PYTHON = "strongroom/node-python"


class MachineLearning(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.workspace = strongroom.workspace("learning")
        subscription, group = strongroom.BOOTSTRAP["subscriptionId"], cls.workspace.split("/")[4]
        cls.client = MLClient(CREDENTIAL, subscription, group, "learning", enable_telemetry=False, show_progress=False)
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        cluster = AmlCompute(name="cpu", size="Standard_DS3_v2", min_instances=0, max_instances=1)
        made = cls.client.compute.begin_create_or_update(cluster).result()
        assert made.provisioning_state == "Succeeded", made.provisioning_state
        cls.client.environments.create_or_update(Environment(name="plain", image=NODE_PYTHON))

    def test_workspaces_and_datastores_are_read(self):
        self.assertEqual(self.client.workspaces.get("learning").name, "learning")
        self.assertIn("learning", [item.name for item in self.client.workspaces.list()])
        self.assertEqual(self.client.datastores.get_default().name, "workspaceblobstore")
        self.assertEqual(len(list(self.client.datastores.list())), 4)

    def test_a_workspace_is_made_under_a_customers_key_and_deleted(self):
        vault = f"{strongroom.group()}/providers/Microsoft.KeyVault/vaults/python-customer"
        properties = {"tenantId": TENANT, "sku": {"family": "A", "name": "standard"}, "enableRbacAuthorization": True}
        body = {"location": strongroom.BOOTSTRAP["location"], "properties": {**properties, "enablePurgeProtection": True}}
        url = strongroom.arm("PUT", vault, body)["properties"]["vaultUri"]
        strongroom.assign(vault, KEY_VAULT_ADMINISTRATOR)
        key = KeyClient(url, CREDENTIAL).create_rsa_key("wrapping", size=3072)
        half = Workspace(
            name="half-a-key", location="local", customer_managed_key=CustomerManagedKey(key_vault=vault, key_uri="")
        )
        with self.assertRaises(HttpResponseError) as refused:
            self.client.workspaces.begin_create(half).result()
        self.assertIn("keyIdentifier", str(refused.exception))
        asked = Workspace(
            name="under-a-key",
            location="local",
            hbi_workspace=True,
            customer_managed_key=CustomerManagedKey(key_vault=vault, key_uri=key.id),
        )
        made = self.client.workspaces.begin_create(asked).result()
        self.assertEqual((made.name, made.hbi_workspace), ("under-a-key", True))
        self.assertEqual(made.customer_managed_key.key_uri, key.id)
        self.client.workspaces.begin_delete("under-a-key", delete_dependent_resources=True).result()
        self.assertNotIn("under-a-key", [item.name for item in self.client.workspaces.list()])

    def test_a_command_job_runs_on_a_cluster_and_is_found_again(self):
        job = command(
            command="echo ${{inputs.word}}",
            inputs={"word": "hello"},
            environment="azureml:plain:1",
            compute="cpu",
            display_name="Echo",
            experiment_name="conformance",
            tags={"a": "1"},
        )
        name = self.client.jobs.create_or_update(job).name
        read = ended(self.client, name)
        self.assertEqual((read.status, read.display_name, read.tags), ("Completed", "Echo", {"a": "1"}))
        self.assertIn(name, [item.name for item in self.client.jobs.list()])

    def test_a_schedule_is_made_from_yaml_paused_fired_and_removed(self):
        (self.folder / "steps.yml").write_text(
            "type: pipeline\ncompute: azureml:cpu\n"
            "inputs: {word: hello}\n"
            "jobs:\n"
            "  a:\n"
            "    command: echo ${{inputs.word}}\n"
            "    environment: azureml:plain:1\n"
            "    inputs: {word: '${{parent.inputs.word}}'}\n"
        )
        (self.folder / "hourly.yml").write_text(
            "name: hourly\ndisplay_name: Every hour\ndescription: a pipeline by the clock\n"
            "trigger: {type: cron, expression: '0 * * * *', start_time: '2022-07-10T10:00:00', time_zone: Pacific Standard Time}\n"
            "create_job:\n"
            "  type: pipeline\n"
            "  job: ./steps.yml\n"
            "  settings: {continue_on_step_failure: true}\n"
            "  inputs: {word: '${{creation_context.trigger_time}}'}\n"
        )
        schedules = self.client.schedules
        made = schedules.begin_create_or_update(load_schedule(self.folder / "hourly.yml")).result()
        self.assertEqual((made.name, made.is_enabled, made.provisioning_state), ("hourly", True, "Succeeded"))
        self.assertEqual((made.trigger.expression, made.trigger.time_zone), ("0 * * * *", "Pacific Standard Time"))
        self.assertIn("schedule.next", made.properties)
        self.assertFalse(schedules.begin_disable("hourly").result().is_enabled)
        self.assertNotIn("hourly", [item.name for item in schedules.list()])
        self.assertIn("hourly", [item.name for item in schedules.list(list_view_type="DisabledOnly")])
        self.assertTrue(schedules.begin_enable("hourly").result().is_enabled)
        self.assertIn("hourly", [item.name for item in schedules.list()])
        fired = schedules.trigger("hourly", schedule_time="2026-01-01T06:00:00+00:00").job_name
        self.assertEqual(fired, "hourly-once-20260101T060000Z")
        made = ended(self.client, fired)
        self.assertEqual((made.status, made.display_name), ("Completed", "hourly-20260101T060000Z"))
        self.assertEqual(made.properties["schedule.name"], "hourly")
        self.assertEqual(made.inputs["word"]._data, "2026-01-01T06:00:00Z")

        # A job that is there, by its name, on the days of a pattern.
        (self.folder / "again.yml").write_text(
            f"name: again\ncreate_job: azureml:{fired}\n"
            "trigger: {type: recurrence, frequency: week, interval: 2, time_zone: W. Europe Standard Time,"
            " schedule: {hours: [4, 5], minutes: [0, 30], week_days: [monday, friday]}}\n"
        )
        again = schedules.begin_create_or_update(load_schedule(self.folder / "again.yml")).result()
        self.assertEqual((again.trigger.frequency, again.trigger.schedule.hours), ("week", [4, 5]))
        self.assertEqual(list(again.create_job.jobs), ["a"])
        with self.assertRaises(HttpResponseError) as refused:
            wrong = load_schedule(self.folder / "again.yml")
            wrong.trigger.time_zone = "Mars Standard Time"
            schedules.begin_create_or_update(wrong).result()
        self.assertIn("is no time zone", str(refused.exception))
        for name in ("hourly", "again"):
            schedules.begin_delete(name).result()
            with self.assertRaises(ResourceNotFoundError):
                schedules.get(name)

    def test_a_secret_of_a_vault_comes_to_a_job_by_reference_and_is_blacked_out(self):
        vault = strongroom.arm("GET", self.workspace)["properties"]["keyVault"]
        strongroom.assign(vault, KEY_VAULT_ADMINISTRATOR)
        url = strongroom.arm("GET", vault)["properties"]["vaultUri"]
        SecretClient(url, CREDENTIAL).set_secret("db-password", "correct horse")
        job = command(
            command="echo the password: $DB_PASSWORD; sleep 2; test \"$DB_PASSWORD\" = 'correct horse'",
            environment_variables={"DB_PASSWORD": "${{keyvault:%ssecrets/db-password}}" % url},
            environment="azureml:plain:1",
            compute="cpu",
        )
        name = self.client.jobs.create_or_update(job).name
        with contextlib.redirect_stdout(io.StringIO()) as said:
            self.client.jobs.stream(name)
        self.assertEqual(ended(self.client, name).status, "Completed")
        self.assertIn("the password: [redacted]", said.getvalue())
        self.assertNotIn("horse", said.getvalue())
        literal = command(
            command="echo",
            environment_variables={"DB_PASSWORD": "correct horse"},
            environment="azureml:plain:1",
            compute="cpu",
        )
        with self.assertRaises(HttpResponseError) as refused:
            self.client.jobs.create_or_update(literal)
        self.assertIn("${{keyvault:https://VAULT.vault.HOST/secrets/ITS-NAME}}", str(refused.exception))

    def test_a_job_is_several_processes_of_its_node_and_of_more_nodes_none(self):
        def spread(distribution, **more):
            line = "echo rank $RANK of $WORLD_SIZE; sleep 2"
            return command(command=line, distribution=distribution, environment="azureml:plain:1", compute="cpu", **more)

        name = self.client.jobs.create_or_update(spread(PyTorchDistribution(process_count_per_instance=2))).name
        with contextlib.redirect_stdout(io.StringIO()) as said:
            self.client.jobs.stream(name)
        read = ended(self.client, name)
        self.assertEqual((read.status, read.distribution.process_count_per_instance), ("Completed", 2))
        for rank in "01":
            self.assertIn(f"[{rank}] rank {rank} of 2", said.getvalue())
        for distribution, more, why in (
            (PyTorchDistribution(process_count_per_instance=1), {"instance_count": 2}, "one node"),
            (MpiDistribution(process_count_per_instance=2), {}, "mpirun -np 2"),
        ):
            with self.assertRaises(HttpResponseError) as refused:
                self.client.jobs.create_or_update(spread(distribution, **more))
            self.assertIn(why, str(refused.exception))

    def test_an_environment_stands_inside_a_job_and_one_with_an_image_is_refused_with_what_to_do(self):
        inline = command(command="echo inline", environment=Environment(image=NODE_PYTHON), compute="cpu")
        self.assertEqual(ended(self.client, self.client.jobs.create_or_update(inline).name).status, "Completed")
        image = command(command="echo image", environment=Environment(image="docker.io/python:3.12"), compute="cpu")
        with self.assertRaises(HttpResponseError) as refused:
            self.client.jobs.create_or_update(image)
        self.assertIn(NODE_PYTHON, str(refused.exception))

    def test_a_job_trains_with_what_its_conda_file_names_and_the_next_one_finds_it(self):
        conda = self.folder / "conda.yml"
        conda.write_text("channels: [conda-forge]\ndependencies:\n  - scikit-learn\n  - pip:\n      - six\n")
        script = (
            "import numpy, six, sklearn.datasets as d, sklearn.linear_model as m\n"
            "x, y = d.load_iris(return_X_y=True)\n"
            "print('score', m.LogisticRegression(max_iter=500).fit(x, y).score(x, y))\n"
        )
        (self.folder / "iris").mkdir(exist_ok=True)
        (self.folder / "iris" / "train.py").write_text(script)
        registered = self.client.environments.create_or_update(
            Environment(name="iris", image=NODE_PYTHON, conda_file=str(conda))
        )
        built = []
        for environment in (Environment(image=NODE_PYTHON, conda_file=str(conda)), f"azureml:iris:{registered.version}"):
            job = command(code=str(self.folder / "iris"), command="python train.py", environment=environment, compute="cpu")
            read = ended(self.client, self.client.jobs.create_or_update(job).name, 600)
            self.assertEqual(read.status, "Completed")
            built.append(read.properties["strongroom.environment.image"])
        self.assertEqual(built[0], built[1])
        bill = self.bill_of(built[0])
        self.assertIsNone(JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bill)))
        self.assertTrue({"numpy", "scikit-learn", "six"} <= {each["name"] for each in bill["components"]})
        builds = [item for item in self.client.jobs.list() if item.experiment_name == "prepare_image"]
        self.assertIn("Completed", [item.status for item in builds])

    def test_a_command_installs_packages_where_it_may_and_its_log_says_why_where_it_may_not(self):
        def printed(line, environment):
            job = command(command=line, environment=environment, compute="cpu")
            name = self.client.jobs.create_or_update(job).name
            with contextlib.redirect_stdout(io.StringIO()) as said, contextlib.suppress(JobException):
                self.client.jobs.stream(name)
            return ended(self.client, name, 600).status, said.getvalue()

        line = "pip install 'colorama>=0.4' && python3 -c \"import colorama; print('installed', colorama.__name__)\""
        plain = Environment(image=NODE_PYTHON)
        status, said = printed(line, plain)
        self.assertEqual(status, "Failed")
        self.assertIn("A job has no network", said)
        self.assertIn("--job-package-index Enabled", said)
        strongroom.arm("PATCH", self.workspace, {"properties": {"jobPackageIndex": "Enabled"}})
        try:
            strongroom.ready(self.workspace)
            with_six = Environment(image=NODE_PYTHON, conda_file={"dependencies": ["six"]})
            for environment in (plain, with_six):
                status, said = printed(line, environment)
                self.assertEqual(status, "Completed", said)
                self.assertIn("installed colorama", said)
        finally:
            strongroom.arm("PATCH", self.workspace, {"properties": {"jobPackageIndex": "Disabled"}})
            strongroom.ready(self.workspace)

    def test_what_cannot_be_built_says_why(self):
        for line, says in (("cudatoolkit=11.3", "cudatoolkit=11.3"), ("python=2.7", "the nodes here have 3.")):
            environment = Environment(image=NODE_PYTHON, conda_file={"dependencies": [line, "numpy"]})
            with self.assertRaises(HttpResponseError) as refused:
                self.client.jobs.create_or_update(command(command="true", environment=environment, compute="cpu"))
            self.assertIn(says, str(refused.exception))

    def test_an_output_is_downloaded_is_an_input_and_becomes_a_model_and_so_is_a_model_an_input(self):
        first = command(
            command="echo hi > ${{outputs.res}}/a.txt && echo one > ${{outputs.one}}",
            outputs={"res": Output(type="uri_folder", name="left", version="3"), "one": Output(type="uri_file", name="one")},
            environment="plain@latest",
            compute="cpu",
        )
        name = self.client.jobs.create_or_update(first).name
        done = ended(self.client, name)
        self.assertEqual(done.status, "Completed")
        self.client.jobs.download(name, download_path=self.folder / "named", output_name="res")
        self.assertEqual((self.folder / "named/named-outputs/res/a.txt").read_text(), "hi\n")
        left = self.client.data.get("left", version="3")
        self.assertEqual((left.type, left.path), ("uri_folder", done.outputs["res"].path))
        self.assertEqual(self.client.data.get("one", label="latest").version, "1")
        done.tags = {"a": "b"}
        self.assertEqual(self.client.jobs.create_or_update(done).tags, {"a": "b"})
        self.client.models.create_or_update(
            Model(path=f"azureml://jobs/{name}/outputs/res/paths/", name="of-output", type="custom_model")
        )
        second = command(
            command="cat ${{inputs.res}}/a.txt ${{inputs.told}}/a.txt ${{inputs.model}}/a.txt ${{inputs.one}} > ${{outputs.all}}",
            inputs={
                "res": Input(type="uri_folder", path=f"azureml://jobs/{name}/outputs/res/paths/"),
                "told": Input(type="uri_folder", path="azureml:left:3"),
                "model": Input(type="custom_model", path="azureml:of-output:1", mode="ro_mount"),
                "one": Input(type="uri_file", path=done.outputs["one"].path),
            },
            outputs={"all": Output(type="uri_file")},
            environment="azureml:plain:1",
            compute="cpu",
        )
        name = self.client.jobs.create_or_update(second).name
        self.assertEqual(ended(self.client, name).status, "Completed")
        self.client.jobs.download(name, download_path=self.folder / "all", all=True)
        found = [path.read_text() for path in (self.folder / "all/named-outputs/all").rglob("*") if path.is_file()]
        self.assertEqual(found, ["hi\nhi\nhi\none\n"])

    def test_an_output_has_a_place_of_its_own_in_a_job_a_step_and_a_pipeline(self):
        store = "azureml://datastores/workspaceblobstore/paths"
        path = "azureml://datastores/${{default_datastore}}/paths/placed/${{name}}/${{output_name}}/"
        job = command(
            command="echo hi > ${{outputs.res}}/a.txt && echo one > ${{outputs.one}}",
            outputs={
                "res": Output(type="uri_folder", path=path, mode="rw_mount", name="placed"),
                "one": Output(type="uri_file", path=store + "/placed/${{name}}.txt", mode="upload"),
            },
            environment="plain@latest",
            compute="cpu",
        )
        name = self.client.jobs.create_or_update(job).name
        done = ended(self.client, name)
        self.assertEqual(done.status, "Completed")
        self.assertEqual(done.outputs["res"].path, f"{store}/placed/{name}/res")
        self.assertEqual(self.client.data.get("placed", label="latest").path, f"{store}/placed/{name}/res")
        done.tags = {"a": "b"}
        self.assertEqual(self.client.jobs.create_or_update(done).tags, {"a": "b"})
        self.client.jobs.download(name, download_path=self.folder / "placed", all=True)
        found = {f.name: f.read_text() for f in (self.folder / "placed/named-outputs").rglob("*") if f.is_file()}
        self.assertEqual(found, {"a.txt": "hi\n", f"{name}.txt": "one\n"})
        written = self.folder / "placed.yml"
        written.write_text(f"""
type: pipeline
settings: {{default_compute: "azureml:cpu"}}
outputs:
  left: {{type: uri_file, path: "{store}/flows/${{{{name}}}}/hello.txt", mode: rw_mount}}
jobs:
  first:
    command: cat ${{{{inputs.res}}}}/a.txt > ${{{{outputs.made}}}}/b.txt
    environment: "azureml:plain:1"
    inputs: {{res: {{type: uri_folder, path: "azureml://jobs/{name}/outputs/res/paths/"}}}}
    outputs: {{made: {{type: uri_folder, path: "{store}/flows/made/"}}}}
  second:
    command: cat ${{{{inputs.made}}}}/b.txt > ${{{{outputs.left}}}}
    environment: "azureml:plain:1"
    inputs: {{made: "${{{{parent.jobs.first.outputs.made}}}}"}}
    outputs: {{left: "${{{{parent.outputs.left}}}}"}}
""")
        name = self.client.jobs.create_or_update(load_job(written)).name
        self.assertEqual(ended(self.client, name).status, "Completed")
        self.client.jobs.download(name, download_path=self.folder / "flow", output_name="left")
        found = [f.read_text() for f in (self.folder / "flow").rglob("hello.txt")]
        self.assertEqual(found, ["hi\n"])
        for path, says in (("x/../y", "dot-dot"), ("snapshots/1", "the platform keeps"), ("x?sig=1", "query or a signature")):
            bad = command(
                command="true",
                outputs={"o": Output(type="uri_folder", path=f"{store}/{path}")},
                environment="plain@latest",
                compute="cpu",
            )
            with self.assertRaises(HttpResponseError) as refused:
                self.client.jobs.create_or_update(bad)
            self.assertIn(says, str(refused.exception))

    def test_the_latest_version_is_the_newest_and_what_is_archived_is_listed_apart(self):
        for version in range(1, 12):
            made = Environment(name="many", version=str(version), image=NODE_PYTHON)
            self.client.environments.create_or_update(made)
        self.assertEqual(self.client.environments.get("many", label="latest").version, "11")
        names = [self.client.models.create_or_update(self.model(n)).version for n in range(3)]
        self.assertEqual(names, ["1", "2", "3"])
        self.assertEqual(self.client.models.get("counted", label="latest").version, "3")
        self.client.models.archive("counted", version="3")
        self.assertEqual(self.client.models.get("counted", label="latest").version, "2")

        def listed(view):
            return sorted(item.version for item in self.client.models.list(name="counted", list_view_type=view))

        self.assertEqual([listed(v) for v in ("ActiveOnly", "ArchivedOnly", "All")], [["1", "2"], ["3"], ["1", "2", "3"]])
        self.client.models.restore("counted", version="3")
        self.assertEqual(len(listed("ActiveOnly")), 3)
        self.client.environments.archive("many")
        self.assertNotIn("many", [item.name for item in self.client.environments.list()])
        self.assertIn("many", [item.name for item in self.client.environments.list(list_view_type="ArchivedOnly")])
        self.assertEqual([item.version for item in self.client.models.list(name="counted", stage="none")], [])

    def model(self, number):
        return Model(path=self.files(f"counted{number}", model=str(number)), name="counted")

    def bill_of(self, image):
        """What hangs on the image of an environment, as the registry's clients find it."""
        repository, digest = image.split("@")
        registry = strongroom.arm("GET", self.workspace)["properties"]["containerRegistry"].split("/")[-1].lower()
        at = f"{registry}/{repository}"
        listed = strongroom.registry(f"{at}/referrers/{digest}")["manifests"]
        kinds = [each["artifactType"] for each in listed]
        self.assertEqual(kinds, ["application/vnd.cyclonedx+json"])
        manifest = strongroom.registry(f"{at}/manifests/{listed[0]['digest']}")
        return strongroom.registry(f"{at}/blobs/{manifest['layers'][0]['digest']}")

    def files(self, folder, **contents):
        """A folder on this machine, as a data scientist has one. Returns its path."""
        for name, content in contents.items():
            path = self.folder / folder / f"{name.replace('__', '/')}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return str(self.folder / folder)

    def test_local_code_and_data_are_trained_on_and_what_comes_of_it_is_registered(self):
        train = """
import os, pathlib, sys
import lib.module
assert sorted(os.listdir(sys.argv[1])) == ["a.py", "b.py"], os.listdir(sys.argv[1])
assert pathlib.Path(sys.argv[2]).read_text() == "one"
print("trained on", pathlib.Path(sys.argv[2]).read_text(), flush=True)
pathlib.Path("outputs/model").mkdir(parents=True)
pathlib.Path("outputs/model/model.json").write_text(str(lib.module.ANSWER))
"""
        code = self.files("src", train=train, lib__module="ANSWER = 42")
        data = self.files("data", a="one", b="two")
        inputs = {"folder": Input(type="uri_folder", path=data), "file": Input(type="uri_file", path=f"{data}/a.py")}
        line = "python3 train.py ${{inputs.folder}} ${{inputs.file}}"
        names = []
        for _ in range(2):  # the same folder again: found by its content
            job = command(code=code, command=line, inputs=inputs, environment="azureml:plain:1", compute="cpu")
            names.append(self.client.jobs.create_or_update(job).name)
        with contextlib.redirect_stdout(io.StringIO()) as said:
            self.client.jobs.stream(names[1])
        self.assertIn("Execution Summary", said.getvalue())
        self.assertEqual([ended(self.client, name).status for name in names], ["Completed", "Completed"])
        self.client.jobs.download(names[0], download_path=self.folder / "job", all=True)
        self.assertIn("trained on one", (self.folder / "job/artifacts/user_logs/std_log.txt").read_text())
        self.assertEqual((self.folder / "job/artifacts/outputs/model/model.json").read_text(), "42")
        output = f"azureml://jobs/{names[0]}/outputs/artifacts/paths/outputs/model"
        self.assertEqual(self.client.models.create_or_update(Model(path=output, name="trained")).version, "1")

    def test_data_of_this_machine_and_of_a_datastore_are_assets_and_a_job_reads_them(self):
        folder = self.files("flowers", a="one", b="two")
        (self.folder / "flowers/MLTable").write_text("type: mltable\npaths:\n  - folder: ./\n")
        made = self.client.data.create_or_update(Data(name="flowers", path=folder, type="uri_folder", tags={"of": "plants"}))
        self.assertEqual((made.version, made.type, made.tags), ("1", "uri_folder", {"of": "plants"}))
        self.client.data.create_or_update(Data(name="flowers", path=folder, type="uri_folder"))
        self.assertEqual(self.client.data.get("flowers", label="latest").version, "2")
        self.assertEqual(sorted(item.version for item in self.client.data.list(name="flowers")), ["1", "2"])
        file = self.client.data.create_or_update(Data(name="flower", version="7", path=f"{folder}/a.py", type="uri_file"))
        self.assertEqual(file.version, "7")
        self.client.data.create_or_update(Data(name="there", path=made.path, type="uri_folder"))
        self.client.data.create_or_update(Data(name="table", path=folder, type="mltable"))
        job = command(
            command="cat ${{inputs.folder}}/a.py ${{inputs.there}}/b.py ${{inputs.file}} && ls ${{inputs.table}}/MLTable && echo ${{inputs.address}}",
            inputs={
                "folder": Input(type="uri_folder", path="flowers@latest", mode="ro_mount"),
                "there": Input(type="uri_folder", path="azureml:there:1", mode="download"),
                "file": Input(type="uri_file", path=file.id),
                "table": Input(type="mltable", path="azureml:table:1"),
                "address": Input(type="uri_file", path="azureml:flower:7", mode="direct"),
            },
            environment="azureml:plain:1",
            compute="cpu",
        )
        name = self.client.jobs.create_or_update(job).name
        self.assertEqual(ended(self.client, name).status, "Completed")
        self.client.jobs.download(name, download_path=self.folder / "read", all=True)
        log = (self.folder / "read/artifacts/user_logs/std_log.txt").read_text()
        self.assertIn("onetwoone/", log.replace("\n", ""))
        self.assertIn("datastores/workspaceblobstore/paths/", log)
        self.client.data.archive("flowers", version="2")
        self.assertEqual([item.version for item in self.client.data.list(name="flowers")], ["1"])
        self.client.data.restore("flowers", version="2")
        with self.assertRaises(HttpResponseError) as refused:
            self.client.data.create_or_update(Data(name="far", path="https://example.com/iris.csv", type="uri_file"))
        self.assertIn("brought into a datastore first", str(refused.exception))

    def test_a_running_job_is_followed_and_one_that_fails_says_why(self):
        code = self.files("waiting", wait="import time\nprint('it began', flush=True)\ntime.sleep(4)\nraise SystemExit(3)\n")
        job = command(code=code, command="python3 wait.py", environment="azureml:plain:1", compute="cpu")
        name = self.client.jobs.create_or_update(job).name
        with contextlib.redirect_stdout(io.StringIO()) as said, self.assertRaises(JobException) as failed:
            self.client.jobs.stream(name)
        self.assertIn("it began", said.getvalue())
        self.assertIn("3", str(failed.exception))

    def test_a_local_model_is_registered_and_comes_back(self):
        folder = self.files("weights", model="42")
        self.client.models.create_or_update(Model(path=folder, name="weights", type="custom_model"))
        self.client.models.create_or_update(Model(path=f"{folder}/model.py", name="one-file"))
        listed = [item.name for item in self.client.models.list()]
        self.assertLessEqual({"weights", "one-file"}, set(listed))
        self.client.models.download("weights", version="1", download_path=self.folder / "down")
        self.assertEqual((self.folder / "down/weights/weights/model.py").read_text(), "42")


if __name__ == "__main__":
    unittest.main()
