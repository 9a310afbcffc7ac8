"""The stock MLflow client, as people use it: fluent API and MlflowClient, with three variables set and nothing patched."""

import os
import sys
import tempfile
import time
import unittest
import unittest.mock
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import strongroom  # noqa: E402

os.environ["MLFLOW_TRACKING_TOKEN"] = strongroom.token()
os.environ["MLFLOW_TRACKING_SERVER_CERT_PATH"] = strongroom.BOOTSTRAP["caFile"]
os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "1"
os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"

import mlflow  # noqa: E402
from mlflow import MlflowClient  # noqa: E402
from mlflow.entities import Dataset, DatasetInput, Metric, Param, RunTag, ViewType  # noqa: E402
from mlflow.exceptions import MlflowException  # noqa: E402

WORKSPACE = strongroom.workspace("tracking")


def uri(version):
    return f"{strongroom.BOOTSTRAP['url']}/mlflow/{version}{WORKSPACE}"


class Tracking(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        mlflow.set_tracking_uri(uri("v1.0"))
        cls.client = MlflowClient()

    def experiment(self, name):
        return self.client.create_experiment(f"{name}-{time.time_ns()}")

    def test_a_training_script_logs_and_everything_reads_back(self):
        experiment = mlflow.set_experiment("training")
        self.assertTrue(experiment.artifact_location)
        with mlflow.start_run(run_name="first", tags={"team": "a"}, description="what it is") as run:
            mlflow.log_param("epochs", 3)
            mlflow.log_params({"rate": 0.5, "optimizer": "sgd"})
            for step, loss in enumerate([0.9, 0.5, 0.2]):
                mlflow.log_metric("loss", loss, step=step)
            mlflow.log_metrics({"accuracy": 0.97, "f1": 0.9}, step=3)
            mlflow.set_tag("stage", "dev")
            mlflow.set_tags({"a": "1", "b": "2"})
        read = self.client.get_run(run.info.run_id)
        self.assertEqual(read.info.status, "FINISHED")
        self.assertEqual(read.info.run_name, "first")
        self.assertGreaterEqual(read.info.end_time, read.info.start_time)
        self.assertEqual(read.data.params, {"epochs": "3", "rate": "0.5", "optimizer": "sgd"})
        self.assertEqual(read.data.metrics, {"loss": 0.2, "accuracy": 0.97, "f1": 0.9})
        self.assertEqual({k: read.data.tags[k] for k in ("team", "stage", "a", "b")}, {"team": "a", "stage": "dev", "a": "1", "b": "2"})
        self.assertEqual(read.data.tags["mlflow.note.content"], "what it is")
        history = self.client.get_metric_history(run.info.run_id, "loss")
        self.assertEqual([(m.step, m.value) for m in history], [(0, 0.9), (1, 0.5), (2, 0.2)])

    def test_artifacts_are_logged_listed_and_downloaded(self):
        mlflow.set_experiment("artifacts")
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "out")
            (source / "deep" / "er").mkdir(parents=True)
            (source / "one.txt").write_text("one")
            (source / "deep" / "er" / "two ü+%.bin").write_bytes(bytes(range(256)))
            with mlflow.start_run() as run:
                mlflow.log_text("hello", "notes/hello.txt")
                mlflow.log_dict({"a": [1, 2]}, "notes/a.json")
                mlflow.log_artifact(str(source / "one.txt"), "files")
                mlflow.log_artifacts(str(source), "tree")
            run_id = run.info.run_id
            self.assertEqual(sorted(f.path for f in self.client.list_artifacts(run_id)), ["files", "notes", "tree"])
            listed = {f.path: (f.is_dir, f.file_size) for f in self.client.list_artifacts(run_id, "tree")}
            self.assertEqual(listed, {"tree/deep": (True, None), "tree/one.txt": (False, 3)})
            self.assertEqual(mlflow.artifacts.load_text(f"{run.info.artifact_uri}/notes/hello.txt"), "hello")
            target = self.client.download_artifacts(run_id, "tree", folder)
            self.assertEqual(Path(target, "deep", "er", "two ü+%.bin").read_bytes(), bytes(range(256)))
            self.assertEqual(mlflow.artifacts.load_dict(f"runs:/{run_id}/notes/a.json"), {"a": [1, 2]})

    def test_runs_are_searched_by_metric_param_tag_and_attribute(self):
        experiment_id = self.experiment("search")
        made = []
        for index in range(5):
            run = self.client.create_run(experiment_id, run_name=f"run {index}", tags={"parity": "even" if index % 2 == 0 else "odd"})
            self.client.log_metric(run.info.run_id, "loss", index / 10)
            self.client.log_param(run.info.run_id, "depth", index)
            if index != 4:
                self.client.set_terminated(run.info.run_id)
            made.append(run.info.run_id)

        def found(filter_string, **more):
            return [r.info.run_id for r in self.client.search_runs([experiment_id], filter_string, **more)]

        self.assertEqual(set(found("metrics.loss < 0.25")), set(made[:3]))
        self.assertEqual(set(found("params.depth = '3'")), {made[3]})
        self.assertEqual(set(found("tags.parity = 'even' and metrics.loss > 0.1")), {made[2], made[4]})
        self.assertEqual(set(found("attributes.status = 'RUNNING'")), {made[4]})
        self.assertEqual(set(found("attributes.run_name LIKE 'run %'")), set(made))
        self.assertEqual(set(found("attributes.run_name ILIKE 'RUN 1'")), {made[1]})
        self.assertEqual(set(found(f"run_id IN ('{made[0]}', '{made[1]}')")), set(made[:2]))
        self.assertEqual(found("", order_by=["metrics.loss DESC"]), made[::-1])
        first = self.client.search_runs([experiment_id], max_results=2, order_by=["params.depth ASC"])
        second = self.client.search_runs([experiment_id], max_results=2, order_by=["params.depth ASC"], page_token=first.token)
        self.assertEqual([r.info.run_id for r in [*first, *second]], made[:4])
        with self.assertRaises(MlflowException) as refused:
            found("metrics.loss ~ 3")
        self.assertEqual(refused.exception.error_code, "INVALID_PARAMETER_VALUE")

    def test_experiments_are_renamed_tagged_searched_deleted_and_restored(self):
        experiment_id = self.experiment("lifecycle")
        self.client.set_experiment_tag(experiment_id, "owner", "a")
        self.client.rename_experiment(experiment_id, f"renamed-{experiment_id}")
        read = self.client.get_experiment(experiment_id)
        self.assertEqual((read.name, read.tags["owner"]), (f"renamed-{experiment_id}", "a"))
        found = self.client.search_experiments(filter_string=f"name = 'renamed-{experiment_id}'")
        self.assertEqual([e.experiment_id for e in found], [experiment_id])
        self.client.delete_experiment(experiment_id)
        self.assertEqual(self.client.get_experiment(experiment_id).lifecycle_stage, "deleted")
        deleted = self.client.search_experiments(view_type=ViewType.DELETED_ONLY)
        self.assertIn(experiment_id, [e.experiment_id for e in deleted])
        self.client.restore_experiment(experiment_id)
        self.assertEqual(self.client.get_experiment(experiment_id).lifecycle_stage, "active")
        self.assertIsNone(self.client.get_experiment_by_name("nobody made this"))

    def test_runs_are_deleted_and_restored_and_a_deleted_one_takes_nothing(self):
        run_id = self.client.create_run(self.experiment("deleting")).info.run_id
        self.client.delete_run(run_id)
        self.assertEqual(self.client.get_run(run_id).info.lifecycle_stage, "deleted")
        with self.assertRaises(MlflowException):
            self.client.log_metric(run_id, "late", 1)
        self.client.restore_run(run_id)
        self.client.log_metric(run_id, "late", 1)

    def test_batches_nested_runs_and_tags_go_through(self):
        experiment_id = self.experiment("batches")
        parent = self.client.create_run(experiment_id)
        now = int(time.time() * 1000)
        self.client.log_batch(
            parent.info.run_id,
            metrics=[Metric(f"m{i % 10}", i / 7, now + i, i) for i in range(1000)],
            params=[Param(f"p{i}", str(i)) for i in range(100)],
            tags=[RunTag(f"t{i}", str(i)) for i in range(100)],
        )
        read = self.client.get_run(parent.info.run_id)
        self.assertEqual((len(read.data.metrics), len(read.data.params)), (10, 100))
        self.assertEqual(len(self.client.get_metric_history(parent.info.run_id, "m3")), 100)
        self.client.delete_tag(parent.info.run_id, "t5")
        self.assertNotIn("t5", self.client.get_run(parent.info.run_id).data.tags)
        mlflow.set_experiment(experiment_id=experiment_id)
        with mlflow.start_run(run_id=parent.info.run_id):
            with mlflow.start_run(nested=True) as child:
                pass
        self.assertEqual(self.client.get_run(child.info.run_id).data.tags["mlflow.parentRunId"], parent.info.run_id)

    def test_values_that_json_cannot_hold_come_back(self):
        run_id = self.client.create_run(self.experiment("numbers")).info.run_id
        for name, value in (("inf", float("inf")), ("ninf", float("-inf")), ("nan", float("nan")), ("tiny", 5e-324)):
            self.client.log_metric(run_id, name, value)
        read = self.client.get_run(run_id).data.metrics
        self.assertGreater(read["inf"], 1e308)
        self.assertLess(read["ninf"], -1e308)
        self.assertNotEqual(read["nan"], read["nan"])
        self.assertEqual(read["tiny"], 5e-324)

    def test_a_param_does_not_change_and_says_so(self):
        run_id = self.client.create_run(self.experiment("params")).info.run_id
        self.client.log_param(run_id, "a", "1")
        self.client.log_param(run_id, "a", "1")
        with self.assertRaises(MlflowException) as refused:
            self.client.log_batch(run_id, params=[Param("a", "2")])
        self.assertEqual(refused.exception.error_code, "INVALID_PARAMETER_VALUE")

    def test_inputs_name_their_datasets(self):
        run_id = self.client.create_run(self.experiment("inputs")).info.run_id
        dataset = Dataset(name="table", digest="d1", source_type="local", source="{}")
        self.client.log_inputs(run_id, [DatasetInput(dataset, [])])
        [read] = self.client.get_run(run_id).inputs.dataset_inputs
        self.assertEqual((read.dataset.name, read.dataset.digest), ("table", "d1"))

    def logged_model(self, experiment):
        """A run with a model as `log_model` of the small client leaves it: files below `model/`, one of them MLmodel."""
        mlflow.set_experiment(experiment)
        with mlflow.start_run() as run:
            mlflow.log_text("flavors: {python_function: {loader_module: none}}\n", "model/MLmodel")
            mlflow.log_text("weights", "model/data/model.bin")
        return run.info.run_id

    def test_a_prompt_is_registered_loaded_searched_aliased_and_tagged(self):
        name = f"greeting-{time.time_ns()}"
        first = mlflow.genai.register_prompt(name=name, template="Hello {{name}}", commit_message="first", tags={"team": "risk"})
        second = mlflow.genai.register_prompt(name=name, template=[{"role": "user", "content": "Hi {{name}} \N{GRINNING FACE}"}])
        self.assertEqual((first.version, second.version), (1, 2))
        loaded = mlflow.genai.load_prompt(f"prompts:/{name}/1")
        self.assertEqual((loaded.template, loaded.commit_message), ("Hello {{name}}", "first"))
        self.assertEqual(loaded.format(name="Ada"), "Hello Ada")
        self.assertEqual(mlflow.genai.load_prompt(f"prompts:/{name}/2").template[0]["content"], "Hi {{name}} \N{GRINNING FACE}")
        mlflow.genai.set_prompt_alias(name, alias="best", version=1)
        self.assertEqual(mlflow.genai.load_prompt(f"prompts:/{name}@best").version, 1)
        self.assertEqual(mlflow.genai.load_prompt(f"prompts:/{name}@latest").version, 2)
        mlflow.genai.set_prompt_tag(name, "owner", "me")
        self.assertEqual(mlflow.genai.get_prompt_tags(name)["owner"], "me")
        mlflow.genai.set_prompt_version_tag(name, 1, "seen", "yes")
        found = mlflow.genai.search_prompts(f"name = '{name}'")
        self.assertEqual([prompt.name for prompt in found], [name])
        self.assertEqual([m.name for m in self.client.search_registered_models(f"name = '{name}'")], [])
        with self.assertRaises(MlflowException):
            mlflow.genai.register_prompt(name=name.replace("greeting", "Greeting"), template="x")
        mlflow.genai.delete_prompt_alias(name, alias="best")
        long = "x" * 100_000
        self.assertEqual(mlflow.genai.register_prompt(name=f"{name}-long", template=long).template, long)

    def test_logged_models_are_ordered_by_a_metric(self):
        experiment_id = self.experiment("checkpoints")
        run_id = self.client.create_run(experiment_id).info.run_id
        for name, rmse in (("a", 3.0), ("b", 1.0), ("c", 2.0)):
            model = self.client.create_logged_model(experiment_id, name, source_run_id=run_id)
            self.client.log_metric(run_id, "rmse", rmse, model_id=model.model_id)
        self.client.create_logged_model(experiment_id, "none", source_run_id=run_id)
        for ascending, wanted in ((True, ["b", "c", "a", "none"]), (False, ["a", "c", "b", "none"])):
            found = self.client.search_logged_models([experiment_id], order_by=[{"field_name": "metrics.rmse", "ascending": ascending}])
            self.assertEqual([model.name for model in found], wanted)

    def test_names_and_lengths_are_kept_as_they_are(self):
        run_id = self.client.create_run(self.experiment("names")).info.run_id
        self.client.log_param(run_id, "p", "\N{GRINNING FACE}" * 6000)
        self.assertEqual(self.client.get_run(run_id).data.params["p"], "\N{GRINNING FACE}" * 6000)
        with tempfile.TemporaryDirectory() as folder:
            names = ["ファイル＃１.csv", "C:x.txt", "loss%step%10%timestamp%17%8d.png"]
            for name in names:
                Path(folder, name).write_text(name)
                self.client.log_artifact(run_id, str(Path(folder, name)), "kept")
            # The client itself reads a drive and percent escapes into what it lists; the name in full-width letters comes back.
            listed = [f.path for f in self.client.list_artifacts(run_id, "kept")]
            self.assertEqual(len(listed), len(names))
            self.assertIn(f"kept/{names[0]}", listed)
            target = self.client.download_artifacts(run_id, f"kept/{names[0]}", folder)
            self.assertEqual(Path(target).read_text(), names[0])
        self.client.log_text(run_id, "1", "out/plots/a.txt")
        with self.assertRaisesRegex(Exception, "'out/plots' is a folder"):
            self.client.log_text(run_id, "2", "out/plots")
        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(Path(self.client.download_artifacts(run_id, "out", folder), "plots", "a.txt").read_text(), "1")

    def test_the_plugin_renews_the_token_of_a_run_of_days(self):
        sys.path.insert(0, str(Path(__file__).parents[2] / "python" / "strongroom_mlflow"))
        import strongroom_mlflow
        from mlflow.tracking.request_auth.registry import _request_auth_provider_registry

        # As `pip install ./python/strongroom_mlflow` makes it known.
        _request_auth_provider_registry.register(strongroom_mlflow.StrongroomAuth)
        with tempfile.TemporaryDirectory() as folder:
            asked = Path(folder, "asked")
            program = Path(folder, "strongroom.py")
            program.write_text(
                f"import sys\nsys.path.insert(0, {str(Path(__file__).parent)!r})\nimport strongroom\n"
                f"assert sys.argv[1:] == ['token'], sys.argv\nopen({str(asked)!r}, 'a').write('x')\nprint(strongroom.token())\n"
            )
            clock = [time.time()]
            patched = {"MLFLOW_TRACKING_AUTH": "strongroom", "MLFLOW_TRACKING_URI": uri("v1.0"), "STRONGROOM_CLI": f"{sys.executable} {program}"}
            with unittest.mock.patch.dict(os.environ, patched), unittest.mock.patch.object(
                strongroom_mlflow, "TOKENS", strongroom_mlflow.Tokens(now=lambda: clock[0])
            ):
                # What the variable holds is no token at all: the plugin's is what is sent.
                os.environ["MLFLOW_TRACKING_TOKEN"] = "worn out"
                run_id = self.client.create_run(self.experiment("days")).info.run_id
                for hour in range(3):
                    self.client.log_metric(run_id, "loss", hour)
                    self.client.log_text(run_id, str(hour), f"{hour}.txt")
                    clock[0] += 3600
                self.assertEqual(self.client.get_run(run_id).data.metrics["loss"], 2)
            self.assertEqual(len(asked.read_text()), 4, "once an hour, and once for the last reading")

    def test_a_second_spelling_of_a_model_is_refused(self):
        run_id = self.logged_model("spelling")
        mlflow.register_model(f"runs:/{run_id}/model", "Iris")
        with self.assertRaises(MlflowException) as refused:
            mlflow.register_model(f"runs:/{run_id}/model", "iris")
        self.assertIn("'Iris'", str(refused.exception))
        self.assertEqual(len(self.client.search_model_versions("name = 'Iris'")), 1)

    def test_a_model_is_registered_searched_aliased_and_downloaded(self):
        run_id = self.logged_model("registry")
        first = mlflow.register_model(f"runs:/{run_id}/model", "registered", tags={"team": "risk"})
        second = mlflow.register_model(f"runs:/{run_id}/model", "registered")
        self.assertEqual((str(first.version), str(second.version)), ("1", "2"))
        found = self.client.search_model_versions("name = 'registered'", order_by=["version_number ASC"])
        self.assertEqual([(str(v.version), v.run_id, v.status) for v in found], [("1", run_id, "READY"), ("2", run_id, "READY")])
        self.assertEqual([m.name for m in self.client.search_registered_models("name LIKE 'regist%'")], ["registered"])
        self.client.set_registered_model_alias("registered", "champion", "1")
        self.assertEqual(self.client.get_registered_model("registered").aliases, {"champion": "1"})
        for source in ("models:/registered/1", "models:/registered@champion", "models:/registered/latest"):
            with tempfile.TemporaryDirectory() as folder:
                target = Path(mlflow.artifacts.download_artifacts(source, dst_path=folder))
                self.assertEqual((target / "data" / "model.bin").read_text(), "weights", source)
        self.client.set_model_version_tag("registered", "1", "checked", "yes")
        self.client.update_model_version("registered", "1", "the first")
        read = self.client.get_model_version("registered", "1")
        self.assertEqual((read.tags, read.description, read.aliases), ({"team": "risk", "checked": "yes"}, "the first", ["champion"]))
        copied = self.client.copy_model_version("models:/registered@champion", "copied")
        self.assertEqual((copied.name, str(copied.version), copied.run_id), ("copied", "1", run_id))
        self.client.delete_model_version("registered", "1")
        self.client.delete_registered_model("copied")
        with self.assertRaises(MlflowException) as refused:
            self.client.get_model_version("registered", "1")
        self.assertEqual(refused.exception.error_code, "RESOURCE_DOES_NOT_EXIST")

    def test_a_registered_version_outlives_what_its_run_logs_later(self):
        run_id = self.logged_model("frozen")
        mlflow.register_model(f"runs:/{run_id}/model", "frozen")
        self.client.log_text(run_id, "changed", "model/data/model.bin")
        with tempfile.TemporaryDirectory() as folder:
            target = Path(mlflow.artifacts.download_artifacts("models:/frozen/1", dst_path=folder))
            self.assertEqual((target / "data" / "model.bin").read_text(), "weights")

    def test_a_model_comes_from_this_workspace_or_not_at_all(self):
        self.client.create_registered_model("foreign")
        for source in ("/etc/passwd", "file:///etc/passwd", "http://169.254.169.254/", "s3://bucket/model"):
            with self.assertRaises(MlflowException) as refused:
                self.client.create_model_version("foreign", source)
            self.assertEqual(refused.exception.error_code, "INVALID_PARAMETER_VALUE", source)

    def test_what_is_not_there_is_told_as_mlflow_tells_it(self):
        with self.assertRaises(MlflowException) as refused:
            self.client.get_run("0" * 32)
        self.assertEqual(refused.exception.error_code, "RESOURCE_DOES_NOT_EXIST")
        with self.assertRaises(MlflowException) as refused:
            self.client.create_experiment("training-twice")
            self.client.create_experiment("training-twice")
        self.assertEqual(refused.exception.error_code, "RESOURCE_ALREADY_EXISTS")

    def test_the_second_address_is_the_same_store(self):
        run_id = self.client.create_run(self.experiment("versions")).info.run_id
        other = MlflowClient(uri("v2.0"))
        other.log_metric(run_id, "through", 2)
        self.assertEqual(self.client.get_run(run_id).data.metrics, {"through": 2})

    def test_without_a_token_nothing_is_told(self):
        kept = os.environ.pop("MLFLOW_TRACKING_TOKEN")
        try:
            with self.assertRaises(MlflowException) as refused:
                self.client.search_experiments()
            self.assertEqual(refused.exception.error_code, "UNAUTHENTICATED")
        finally:
            os.environ["MLFLOW_TRACKING_TOKEN"] = kept


if __name__ == "__main__":
    unittest.main()
