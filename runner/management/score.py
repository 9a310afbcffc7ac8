"""A deployment: fetches its image, then keeps a scoring server running until it is stopped.

The server is a child process, because user code runs in it; what it says about itself (ready, init failed) is
believed only as that.
"""
import json
import os
import stat
import sys

from .dependencies import dependencies_folder
from .environment import IMAGE_FOLDER, STAGING_FOLDER, python_of, python_of_document, use_environment
from .image import fetch_image
from .job import checked_environment, environment_of_packages
from .outcome import Outcome, SetupFailed
from .paths import BadPath, below
from .supervisor import CONTROL_FD, Program, resource_limits, supervise

SERVICE_FOLDER = "/run/service"
SERVICE_SOCKET = "score.sock"
RUNNER_FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
INIT_FAILED_STATUS = 3


def _in_image(path):
    """A path as the image spells it, as a path inside the sandbox."""
    try:
        return below(IMAGE_FOLDER, path.strip("/"))
    except BadPath as failure:
        raise SetupFailed("The deployment has a bad path. %s" % failure)


def only_the_socket():
    """The service folder is the one thing of the host that can be written to; user code has no business in it."""
    try:
        with os.scandir(SERVICE_FOLDER) as entries:
            for entry in entries:
                status = entry.stat(follow_symlinks=False)
                if entry.name != SERVICE_SOCKET or not stat.S_ISSOCK(status.st_mode):
                    return "policy"
    except OSError:
        return "policy"
    return None


def run_score(document, reporter, control, wire):
    score = document["score"]
    wire.token = score["token"]
    reporter.event("preparing")
    fetch_image(wire, score["image"], IMAGE_FOLDER, STAGING_FOLDER)
    wire.close()
    version = python_of_document(document)
    app_root = _in_image(score.get("appRoot") or "/var/azureml-app")
    environment = dict(
        environment_of_packages(use_environment(version), score.get("imageEnvironment")),
        **checked_environment(score.get("environment") or {}),
        AZUREML_APP_ROOT=app_root,
    )
    if score.get("mlflowModel"):
        # What mlflow tells its makers of each use it cannot tell from here; it need not try.
        environment["MLFLOW_DISABLE_TELEMETRY"] = "true"
    else:
        environment["AZUREML_ENTRY_SCRIPT"] = score["entryScript"]
    dependencies = dependencies_folder(app_root, version)
    if dependencies is not None:
        # Behind what the deployment itself names, before what the system has.
        environment["PYTHONPATH"] = ":".join(filter(None, (environment.get("PYTHONPATH"), dependencies)))
    if score.get("modelDir"):
        environment["AZUREML_MODEL_DIR"] = _in_image(score["modelDir"])
    settings = {
        "socket": os.path.join(SERVICE_FOLDER, SERVICE_SOCKET),
        "controlFd": CONTROL_FD,
        "maxConcurrency": int(score.get("maxConcurrency") or 1),
        "maxBodyBytes": int(score.get("maxBodyBytes") or 16 * 1024 * 1024),
        "mlflowModel": _in_image(score["mlflowModel"]) if score.get("mlflowModel") else None,
    }
    argv = [python_of() or sys.executable, "-B", "-u", os.path.join(RUNNER_FOLDER, "scoring.py"), json.dumps(settings)]
    program = Program(argv, app_root if os.path.isdir(app_root) else "/job", environment, resource_limits(document["limits"]))
    said = {}

    def on_line(line):
        try:
            message = json.loads(line)
        except ValueError:
            return
        if message == {"event": "ready"} and not said:
            said["ready"] = True
            reporter.event("ready")
        elif isinstance(message, dict) and message.get("event") == "init_failed" and not said:
            said["failure"] = str(message.get("message"))[:1000]
            reporter.event("init_failed", message=said["failure"])

    outcome = supervise(
        program,
        document["limits"],
        reporter,
        control,
        redact=score.get("redact") or (),
        on_control_line=on_line,
        on_tick=only_the_socket,
    )
    if outcome.reason == "exited" and "failure" in said and outcome.exit_code == INIT_FAILED_STATUS:
        return Outcome("init_failed", exit_code=INIT_FAILED_STATUS, message=said["failure"])
    return outcome
