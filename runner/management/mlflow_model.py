"""A model that MLflow has written, served without a script: Azure's request and MLflow's own, through the model's own mlflow.

Runs where scoring.py runs, with the model's code and pickles in this process. Promises that a request which does not fit the
signature is answered in mlflow's words, and that nothing else that the model raises leaves the log. mlflow is imported when the
model is loaded and not before: it is the one of the environment, 2.0 or later. Sources: mlflow, deployment/deploy-model-locally
(the request of the scoring server); Azure, how-to-deploy-mlflow-models (input_data).
"""
import inspect
import json

from .scoring_http import Answer, BadArguments, description, message

#: Azure's, and the four of MLflow.
AZURES = "input_data"
FORMATS = (AZURES, "dataframe_split", "dataframe_records", "instances", "inputs")
LONGEST_REASON = 4000
SCALARS = {
    "double": "number", "float": "number", "integer": "integer", "long": "integer", "boolean": "boolean",
    "string": "string", "binary": "string", "datetime": "string",
}
#: What stands for a value in the example.
SAMPLES = {"number": 0.0, "integer": 0, "boolean": True, "string": "text"}


class NotServable(Exception):
    """Why a model cannot be served, in a sentence."""


class Model:
    """The model at `path`, the folder of MLmodel. `ready` is true once it is loaded."""

    takes_raw_http = False
    methods = ("POST", "OPTIONS")
    called = "The model"

    def __init__(self, path, app_root):
        self.path = path
        self.app_root = app_root
        self.ready = False
        self.model = None
        self.schema = None
        self.outputs = None
        self.takes_params = False
        self.mlflow = None

    def failed(self, failure):
        """What is told of a model that could not be loaded."""
        return "The model could not be loaded: %s. The log has the details." % type(failure).__name__

    def load(self):
        try:
            import mlflow
            import mlflow.pyfunc
            from mlflow.exceptions import MlflowException
            from mlflow.utils import proto_json_utils
        except ImportError as failure:
            raise NotServable("The environment has no mlflow that can be imported, or not all that it needs: %s" % failure)
        if not hasattr(proto_json_utils, "dataframe_from_parsed_json"):
            raise NotServable("The environment has mlflow %s; without a scoring script it takes 2.0 or later." % mlflow.__version__)
        self.mlflow = (MlflowException, proto_json_utils)
        self.model = mlflow.pyfunc.load_model(self.path)
        signature = self.model.metadata.signature
        self.schema = signature.inputs if signature is not None else None
        self.outputs = signature.outputs if signature is not None else None
        self.takes_params = "params" in inspect.signature(self.model.predict).parameters
        print("the model is loaded, by mlflow %s" % mlflow.__version__, flush=True)
        self.ready = True

    def answer(self, handler, target, body):
        kind = handler.headers.get("Content-Type", "application/json").split(";")[0].strip().lower()
        if kind != "application/json" and not kind.endswith("+json"):
            return message(415, "Send JSON, with the header Content-Type: application/json.")
        failed = self.mlflow[0]
        try:
            given = json_of(body)
            key = format_of(given)
            result = self.predict(self.data_of(key, given[key]), given.get("params"))
        except failed as failure:
            # What is wrong with the request mlflow says by 400; anything else is the model's own trouble. The log gets none of
            # it: mlflow's words hold the values that were sent.
            if status_of(failure) != 400:
                raise
            return refusal(failure)
        shown = jsonable(result)
        encoded = json.dumps(shown if key == AZURES else {"predictions": shown}, cls=self.mlflow[1].NumpyEncoder)
        return Answer(200, encoded.encode("utf-8"))

    def predict(self, data, params):
        if params is None:
            return self.model.predict(data)
        if not self.takes_params:
            raise BadArguments("The mlflow of this model takes no params.")
        return self.model.predict(data, params=params)

    def data_of(self, key, value):
        """What predict() takes, cast to the signature where there is one. Raises what mlflow says of it."""
        own = self.mlflow[1]
        if key == AZURES:
            key = azures_format(value)
        if key in ("dataframe_split", "dataframe_records"):
            return own.dataframe_from_parsed_json(value, pandas_orient=key[len("dataframe_"):], schema=self.schema)
        return own.parse_tf_serving_input({key: value}, schema=self.schema)

    def description(self, version):
        return description(
            version,
            summary="Scores the input with the model.",
            request={
                "type": "object",
                "required": [AZURES],
                "properties": {AZURES: described(self.schema), "params": {"type": "object"}},
            },
            answer={"type": "array", "items": columns_described(self.outputs), "description": "The predictions."},
        )


def json_of(body):
    try:
        given = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError) as failure:
        raise BadArguments("The body is not JSON: %s" % (failure if isinstance(failure, ValueError) else "it is nested too deeply"))
    if not isinstance(given, dict):
        raise BadArguments("The body must be a JSON object with one of %s." % ", ".join(FORMATS))
    return given


def format_of(given):
    found = [name for name in FORMATS if name in given]
    if len(found) != 1:
        had = ", ".join(sorted(str(name) for name in given))[:200] or "nothing"
        raise BadArguments("The body must hold exactly one of %s; it holds %s." % (", ".join(FORMATS), had))
    other = sorted(set(given) - {found[0], "params"})
    if other:
        raise BadArguments("Beside %s the body may hold params, and not %s." % (found[0], ", ".join(other)[:200]))
    return found[0]


def azures_format(value):
    """Which of MLflow's formats a value of input_data is: a table, rows, or an array or named tensors."""
    if isinstance(value, dict) and {"columns", "data"} <= set(value) <= {"columns", "index", "data"}:
        return "dataframe_split"
    if isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
        return "dataframe_records"
    return "inputs"


def status_of(failure):
    try:
        return int(failure.get_http_status_code())
    except Exception:  # a class of another version, or one of the model's own
        return 500


def refusal(failure):
    text = str(getattr(failure, "message", "") or failure)[:LONGEST_REASON]
    told = {"message": text, "error_code": str(getattr(failure, "error_code", ""))[:100]}
    return Answer(400, json.dumps(told).encode("utf-8"))


def jsonable(result):
    """Tables as rows, arrays as lists; the encoder of mlflow does what lies deeper."""
    if hasattr(result, "to_frame") and not hasattr(result, "columns"):
        result = result.to_frame()
    if hasattr(result, "columns") and hasattr(result, "to_dict"):
        return result.to_dict(orient="records")
    return result.tolist() if hasattr(result, "tolist") else result


def specs_of(schema):
    """[{name?, type, tensor-spec?}], as mlflow keeps it in MLmodel."""
    try:
        return schema.to_dict()
    except Exception:  # none, or of a kind that a later mlflow has
        return []


def array_of(tensor):
    kind = str(tensor.get("dtype", ""))
    item = {"type": "integer" if "int" in kind else "number" if "float" in kind else "boolean" if kind == "bool" else "string"}
    if item["type"] == "string":
        item = {}
    for _ in tensor.get("shape") or [-1]:
        item = {"type": "array", "items": item}
    return item


def columns_described(schema):
    """One prediction: a value, or a row by the names of its columns."""
    specs = specs_of(schema)
    if len(specs) == 1 and "name" not in specs[0]:
        return array_of(specs[0]["tensor-spec"]).get("items", {}) if "tensor-spec" in specs[0] else scalar(specs[0])
    if not specs or any("tensor-spec" in spec for spec in specs):
        return {}
    return {"type": "object", "properties": {str(spec["name"]): scalar(spec) for spec in specs if "name" in spec}}


def scalar(spec):
    kind = SCALARS.get(spec.get("type"))
    return {} if kind is None else {"type": kind}


def described(schema):
    """What input_data may be, by the signature."""
    specs = specs_of(schema)
    if not specs:
        return {"description": "The model has no signature: {columns, index, data}, rows, an array, or named arrays."}
    if all("tensor-spec" in spec for spec in specs):
        if len(specs) == 1 and "name" not in specs[0]:
            return array_of(specs[0]["tensor-spec"])
        names = [str(spec.get("name")) for spec in specs]
        return {"type": "object", "required": names, "properties": {name: array_of(spec["tensor-spec"]) for name, spec in zip(names, specs)}}
    names = [str(spec["name"]) for spec in specs if "name" in spec]
    row = [SAMPLES.get(scalar(spec).get("type")) for spec in specs]
    return {
        "type": "object",
        "required": ["columns", "data"],
        "properties": {
            "columns": {"type": "array", "items": {"type": "string"}},
            "index": {"type": "array", "items": {"type": "integer"}},
            "data": {"type": "array", "items": {"type": "array", "items": {}}},
        },
        "example": {"columns": names, "index": [0], "data": [row]},
    }
