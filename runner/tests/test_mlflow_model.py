"""A model without a script: which of the formats a request is in, what is said of one that fits none, and what a model's answers
become. What stands for mlflow here does no more than the runner asks of it; the real one is met by the conformance suites."""
import json
import os
import sys
import types
import unittest

sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "compat"))

from management.mlflow_model import azures_format, Model, NotServable  # noqa: E402
from management.scoring_http import BadArguments  # noqa: E402


class MlflowException(Exception):
    def __init__(self, message, status=400):
        super().__init__(message)
        self.message, self.error_code, self.status = message, "INVALID_PARAMETER_VALUE", status

    def get_http_status_code(self):
        return self.status


class Schema:
    def __init__(self, *specs):
        self.specs = list(specs)

    def to_dict(self):
        return self.specs


class Loaded:
    """What mlflow.pyfunc.load_model returns."""

    def __init__(self, inputs=None, outputs=None):
        self.metadata = types.SimpleNamespace(signature=inputs and types.SimpleNamespace(inputs=inputs, outputs=outputs))
        self.seen = []

    def predict(self, data, params=None):
        self.seen.append((data, params))
        if data == ("inputs", "bad"):
            raise MlflowException("Model is missing inputs ['age'].")
        if data == ("inputs", "broken"):
            raise MlflowException("no space left", 500)
        if data == ("inputs", "raise"):
            raise RuntimeError("secret of the model")
        return Array([1.5, 2.5])


class Array:
    def __init__(self, values):
        self.values = values

    def tolist(self):
        return self.values


class Table:
    columns = ["a"]

    def to_dict(self, orient):
        assert orient == "records"
        return [{"a": 1}]


def stand_in(loaded, version="3.1.0", old=False):
    """The modules of mlflow that are asked for."""
    own = types.ModuleType("mlflow.utils.proto_json_utils")
    own.NumpyEncoder = json.JSONEncoder
    if not old:
        own.dataframe_from_parsed_json = lambda value, pandas_orient, schema: (pandas_orient, value)
        own.parse_tf_serving_input = lambda given, schema: next(iter(given.items()))
    made = {name: types.ModuleType(name) for name in ("mlflow", "mlflow.pyfunc", "mlflow.exceptions", "mlflow.utils")}
    made["mlflow"].__version__ = version
    made["mlflow"].pyfunc = made["mlflow.pyfunc"]
    made["mlflow.pyfunc"].load_model = lambda path: loaded
    made["mlflow.exceptions"].MlflowException = MlflowException
    made["mlflow.utils"].proto_json_utils = own
    made["mlflow.utils.proto_json_utils"] = own
    return made


class Request:
    command = "POST"

    def __init__(self, content_type="application/json; charset=utf-8"):
        self.headers = {"Content-Type": content_type} if content_type else {}


class ModelWithoutScript(unittest.TestCase):
    def setUp(self):
        before = {name: sys.modules.get(name) for name in list(stand_in(None))}

        def put_back():
            for name, module in before.items():
                sys.modules.pop(name, None)
                if module is not None:
                    sys.modules[name] = module

        self.addCleanup(put_back)

    def model(self, loaded=None, **how):
        self.loaded = loaded or Loaded()
        sys.modules.update(stand_in(self.loaded, **how))
        model = Model("/model", "/app")
        model.load()
        return model

    def ask(self, model, body, **how):
        answer = model.answer(Request(**how), None, body if isinstance(body, bytes) else json.dumps(body).encode("utf-8"))
        return answer.status, json.loads(answer.body)

    def test_each_format_reaches_the_model_as_mlflow_reads_it_and_is_answered_in_its_own_shape(self):
        model = self.model()
        table = {"columns": ["a"], "index": [0], "data": [[1]]}
        for body, data in (
            ({"input_data": table}, ("split", table)),
            ({"input_data": [{"a": 1}]}, ("records", [{"a": 1}])),
            ({"input_data": [[1, 2]]}, ("inputs", [[1, 2]])),
            ({"input_data": {"data": [1], "other": [2]}}, ("inputs", {"data": [1], "other": [2]})),
        ):
            self.assertEqual(self.ask(model, body), (200, [1.5, 2.5]))
            self.assertEqual(self.loaded.seen[-1], (data, None))
        for name, data in (
            ("dataframe_split", ("split", table)), ("dataframe_records", ("records", table)),
            ("instances", ("instances", table)), ("inputs", ("inputs", table)),
        ):
            self.assertEqual(self.ask(model, {name: table, "params": {"top": 1}}), (200, {"predictions": [1.5, 2.5]}))
            self.assertEqual(self.loaded.seen[-1], (data, {"top": 1}))

    def test_a_table_is_told_from_named_arrays(self):
        self.assertEqual(azures_format({"columns": [], "data": []}), "dataframe_split")
        for value in ({"columns": [1], "data": [2], "more": [3]}, {"data": [1]}, [], [1, {}], "text", None, 1):
            self.assertEqual(azures_format(value), "inputs", value)

    def test_what_does_not_fit_the_signature_is_said_in_mlflows_words_and_what_the_model_raises_is_not(self):
        model = self.model()
        status, told = self.ask(model, {"inputs": "bad"})
        self.assertEqual((status, told["message"], told["error_code"]), (400, "Model is missing inputs ['age'].", "INVALID_PARAMETER_VALUE"))
        for body in ("broken", "raise"):
            with self.assertRaises((MlflowException, RuntimeError)):
                self.ask(model, {"inputs": body})

    def test_a_body_that_is_in_none_of_the_formats_is_refused_with_their_names(self):
        model = self.model()
        for body, why in (
            (b"{", "not JSON"), (b"\xff", "not JSON"), (b"[" * 100000, "nested too deeply"), (b"[1]", "JSON object"), (b"", "not JSON"),
            ({"data": [1]}, "exactly one of input_data"), ({"inputs": 1, "input_data": 2}, "exactly one"), ({"inputs": 1, "temperature": 2}, "not temperature"),
        ):
            with self.assertRaisesRegex(BadArguments, why):
                self.ask(model, body)
        self.assertEqual(self.ask(model, b"a,b\n1,2\n", content_type="text/csv")[0], 415)
        self.assertEqual(self.ask(model, {"inputs": 1}, content_type=None)[0], 200)

    def test_tables_become_rows(self):
        model = self.model()
        self.loaded.predict = lambda data: Table()
        self.assertEqual(self.ask(model, {"input_data": [1]}), (200, [{"a": 1}]))
        self.loaded.predict = lambda data: {"scores": [1]}
        self.assertEqual(self.ask(model, {"input_data": [1]}), (200, {"scores": [1]}))

    def test_an_environment_without_mlflow_or_with_an_old_one_is_named(self):
        sys.modules.update(dict.fromkeys(stand_in(None), None))
        with self.assertRaisesRegex(NotServable, "has no mlflow that can be imported"):
            Model("/model", "/app").load()
        with self.assertRaisesRegex(NotServable, "has mlflow 1.30.0; without a scoring script it takes 2.0 or later"):
            self.model(old=True, version="1.30.0")

    def test_the_description_has_the_columns_of_the_signature(self):
        inputs = Schema({"name": "age", "type": "double"}, {"name": "city", "type": "string"})
        model = self.model(Loaded(inputs, Schema({"type": "double"})))
        body = model.description("2")["paths"]["/score"]["post"]["parameters"][0]["schema"]
        self.assertEqual(body["properties"]["input_data"]["example"], {"columns": ["age", "city"], "index": [0], "data": [[0.0, "text"]]})
        answer = model.description("3")["paths"]["/score"]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
        self.assertEqual((answer["type"], answer["items"]), ("array", {"type": "number"}))
        pixels = Schema({"type": "tensor", "tensor-spec": {"dtype": "uint8", "shape": [-1, 28]}})
        told = self.model(Loaded(pixels)).description("2")["paths"]["/score"]["post"]["parameters"][0]["schema"]["properties"]["input_data"]
        self.assertEqual(told, {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}})
        self.assertIn("no signature", json.dumps(self.model().description("2")))


if __name__ == "__main__":
    unittest.main()
