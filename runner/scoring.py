"""The scoring server: loads a script with init() and run(), or a model of MLflow's, and serves it as HTTP/1.1 on a Unix socket.

Runs as the user's process, with user code inside, behind Strongroom's gateway, which authenticates and keeps the time.
Promises the routes, headers and status codes of Azure's inference server; a traceback goes to the log, never to the caller.
"""
import importlib.util
import inspect
import json
import os
import sys
import threading
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
# At the end, so that a real package of the name wins; not an installed one of ours over the script's own modules.
sys.path.append(os.path.join(HERE, "compat"))

from management.mlflow_model import Model  # noqa: E402
from management.scoring_http import Server, as_answer, call_run, description  # noqa: E402

INIT_FAILED_STATUS = 3


class Script:
    """The user's entry script. `ready` is true once init() has returned."""

    methods = ("GET", "POST", "OPTIONS")
    called = "run() of the scoring script"
    description = staticmethod(description)

    def __init__(self, path, app_root):
        self.path = path
        self.app_root = app_root
        self.ready = False
        self.run = None
        self.takes_raw_http = False
        self.parameters = {}

    def failed(self, failure):
        """What is told of a script that did not come up."""
        return "init() of the scoring script raised %s. The log has the details." % type(failure).__name__

    def answer(self, handler, target, body):
        return as_answer(call_run(self, handler, target, body))

    def load(self):
        folder = os.path.dirname(self.path)
        sys.path.insert(0, folder)
        spec = importlib.util.spec_from_file_location("entry_script", self.path)
        if spec is None or not os.path.isfile(self.path):
            raise FileNotFoundError("The entry script %s is not in the image." % os.path.basename(self.path))
        module = importlib.util.module_from_spec(spec)
        sys.modules["entry_script"] = module
        spec.loader.exec_module(module)
        run = getattr(module, "run", None)
        if not callable(run):
            raise AttributeError("The entry script has no function run().")
        init = getattr(module, "init", None)
        if callable(init):
            init()
        self.run = run
        self.takes_raw_http = bool(getattr(run, "takes_raw_http", False))
        self.parameters = inspect.signature(run).parameters
        self.ready = True


def main():
    settings = json.loads(sys.argv[1])
    control = os.fdopen(settings["controlFd"], "w", buffering=1)
    os.set_inheritable(control.fileno(), False)
    app_root = os.environ["AZUREML_APP_ROOT"]
    if settings.get("mlflowModel"):
        script = Model(settings["mlflowModel"], app_root)
    else:
        script = Script(os.path.join(app_root, os.environ["AZUREML_ENTRY_SCRIPT"]), app_root)
    # Before init(), which may take minutes: the probes of the gateway tell "alive" from "ready".
    server = Server(settings["socket"], script, settings["maxConcurrency"], settings["maxBodyBytes"])
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.5}, daemon=True).start()
    try:
        script.load()
    except BaseException as failure:  # a script may raise SystemExit too
        traceback.print_exc()
        print(json.dumps({"event": "init_failed", "message": script.failed(failure)}), file=control)
        sys.stderr.flush()
        os._exit(INIT_FAILED_STATUS)
    print(json.dumps({"event": "ready"}), file=control)
    threading.Event().wait()


if __name__ == "__main__":
    main()
