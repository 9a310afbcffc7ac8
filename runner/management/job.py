"""A training job: brings the code and inputs in, runs the command, takes the outputs out.

The tokens of the document reach the user's process only as far as the document's own environment says so.
"""
import importlib.util
import json
import os
import re
import sys
import time

from . import fetch
from .build import run_build
from .environment import IMAGE_FOLDER, PLACE as ENV_PLACE, STAGING_FOLDER, python_of_document, use_environment
from .image import fetch_image
from .index_door import open_door, settings_of_pip
from .outcome import Outcome, SetupFailed
from .packages import use_packages
from .redaction import Redaction
from .supervisor import Program, resource_limits, supervise
from .system_metrics import Sampler, SystemMetrics
from .upload import missing_output, upload_outputs, upload_placed

CA_FILE = "/run/strongroom/ca.pem"
SERVER_SOCKET = "/run/strongroom/server.sock"
CODE_FOLDER = "/job/code"
INPUTS_FOLDER = "/job/inputs"
#: Of outputs that have a place of their own: what is in them goes there, and not to the artifacts.
PLACED_FOLDER = "/job/outputs"
COMMAND_FILE = "/job/command"
SPREAD = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "spread.py")
#: Where the root of an image lies for process 1; for what runs in it, it is /.
IMAGE_ROOT = "/image"
IMAGE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#: What starts them is the node's Python, which is no part of an image.
NOT_SPREAD = (
    "The processes of a distribution are not started in an image of your own. Have the command start them (torchrun), or name a "
    "conda file on strongroom/node-python."
)
INPUT_NAME = OUTPUT_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_.-]{0,254}$")
UPLOAD_AFTER_STOP_SECONDS = 25
LONGEST_WHY = 1000


def is_root(document):
    """Whether the command runs in a root of its own: that of an image, or one that can be written to."""
    return (document.get("image") or {}).get("as") == "root" or bool(document.get("writableRoot"))


def base_environment():
    return {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "HOME": "/job",
        "TMPDIR": "/tmp",
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "SSL_CERT_FILE": "/run/strongroom/ca.pem",
        "REQUESTS_CA_BUNDLE": "/run/strongroom/ca.pem",
        "MLFLOW_TRACKING_SERVER_CERT_PATH": "/run/strongroom/ca.pem",
    }


def checked_environment(given):
    """Environment of the document: a mapping of strings."""
    for name, value in given.items():
        if not isinstance(value, str) or not name or "=" in name or "\0" in name + value:
            raise SetupFailed("The environment must map names to strings; %r does not." % name)
    return given


def environment_of_root(image):
    """What the image sets, as far as this does not: its programs are found as it says, and by nothing of this node."""
    given = checked_environment(image.get("environment") or {})
    return dict({"PATH": IMAGE_PATH}, **{**given, **without_path(base_environment())})


def environment_of_packages(environment, given):
    """Of an environment at /env: what its image sets, as far as this does not; its PATH has /env in it."""
    given = checked_environment(given or {})
    return {**given, **base_environment(), **environment, **{name: given[name] for name in ("PATH",) if name in given}}


def without_path(environment):
    return {name: value for name, value in environment.items() if name != "PATH"}


def bring_inputs(wire, inputs):
    bounds = fetch.Bounds("inputs", fetch.INPUT_FILES, fetch.INPUT_BYTES)
    for name, source in inputs.items():
        if not INPUT_NAME.match(name):
            raise SetupFailed("The name of an input must be a plain word.")
        fetch.fetch_folder(wire, source, os.path.join(INPUTS_FOLDER, name), bounds)


def make_output_folders(names):
    """./outputs, ./logs, and a folder for each named output, so that a command can write to what its placeholder says."""
    if not all(map(OUTPUT_NAME.match, names)):
        raise SetupFailed("The name of an output must be a plain word.")
    for folder in ("outputs", "logs", *("outputs/" + name for name in names)):
        try:
            os.makedirs(os.path.join(CODE_FOLDER, folder), exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise SetupFailed("The snapshot has a file in the place of the folder %s." % folder)


def make_placed_folders(names):
    if not all(map(OUTPUT_NAME.match, names)):
        raise SetupFailed("The name of an output must be a plain word.")
    for name in names:
        os.makedirs(os.path.join(PLACED_FOLDER, name))


def why_it_failed(path):
    """What the command wrote about its own failure, where the document names a file for that; None otherwise. Read after the last
    process of the user has ended, and never through a link: it is shown as his own words."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as source:
            text = source.read(LONGEST_WHY).decode("utf-8", "replace") if os.path.isfile(path) else ""
    except OSError:
        return None
    return "".join(character if character.isprintable() else " " for character in text).strip() or None


def variables_of_packages(document, wire, environment):
    """The package index for the command, and where it installs to; a build has a place of its own for that."""
    packages = document["job"]["packages"]
    found = settings_of_pip(open_door(packages["index"], wire, CA_FILE, SERVER_SOCKET))
    home = packages.get("home")
    if home is None:
        return found
    if is_root(document):
        return dict(found, **use_packages(home, environment, None, True))
    version = python_of_document(document)
    if "VIRTUAL_ENV" not in environment:
        has_pip = importlib.util.find_spec("pip") is not None
        return dict(found, **use_packages(home, environment, version, has_pip))
    folder = IMAGE_FOLDER + "/env"
    has_pip = os.path.isdir("%s/lib/python%d.%d/site-packages/pip" % ((folder,) + version))
    return dict(found, **use_packages(home, environment, version, has_pip, ENV_PLACE, folder))


def run_job(document, reporter, control, wire):
    job = document["job"]
    if job.get("build"):
        return run_build(document, reporter, control, wire)
    wire.token = job["token"]
    reporter.event("preparing")
    bounds = fetch.Bounds("snapshot", fetch.SNAPSHOT_FILES, fetch.SNAPSHOT_BYTES)
    fetch.fetch_folder(wire, job.get("snapshot") or [], CODE_FOLDER, bounds)
    bring_inputs(wire, job.get("inputs") or {})
    # One that the agent has brought lies there already, or is the root.
    if job.get("image") and not document.get("image"):
        fetch_image(wire, job["image"], IMAGE_FOLDER, STAGING_FOLDER)
    wire.close()
    make_output_folders(job.get("outputs") or ())
    placed = job.get("placed") or {}
    make_placed_folders(placed)
    # From a file, not as an argument: arguments of a process can be read by every user of the host.
    with open(COMMAND_FILE, "w", encoding="utf-8") as target:
        target.write(job["command"])
    root = IMAGE_ROOT if is_root(document) else None
    if root:
        environment = environment_of_root(document["image"])
    else:
        environment = environment_of_packages(use_environment(python_of_document(document)), job.get("imageEnvironment"))
    if job.get("packages"):
        environment.update(variables_of_packages(document, wire, environment))
    environment.update(checked_environment(job.get("environment") or {}))
    command = ["/bin/sh", COMMAND_FILE]
    if job.get("spread"):
        if root:
            raise SetupFailed(NOT_SPREAD)
        command = [sys.executable, "-I", "-B", SPREAD, json.dumps(job["spread"]), *command]
    program = Program(command, CODE_FOLDER, environment, resource_limits(document["limits"]), root)
    metrics = job.get("systemMetrics") and SystemMetrics(
        wire, job["systemMetrics"], Sampler(document["limits"]["memoryBytes"])
    )
    if metrics:
        metrics.start()
    outcome = supervise(
        program,
        document["limits"],
        reporter,
        control,
        redact=job.get("redact") or (),
        timeout_seconds=job.get("timeoutSeconds"),
    )
    if metrics:
        metrics.end()

    if job.get("why") and outcome.reason == "exited" and outcome.exit_code != 0:
        outcome.message = why_it_failed(job["why"])
    upload = job.get("upload")
    if upload is None:
        return outcome
    reporter.event("finalizing")
    give_up_at = time.monotonic() + UPLOAD_AFTER_STOP_SECONDS if outcome.reason == "stopped" else None
    redaction = Redaction(job.get("redact") or ())

    def say(text):
        reporter.output(redaction.whole(text))

    failures = upload_outputs(wire, say, CODE_FOLDER, upload["artifactBaseUrl"], give_up_at)
    for name, place in placed.items():
        failures += upload_placed(wire, say, PLACED_FOLDER, name, place, give_up_at)
    if failures and outcome.reason == "exited" and outcome.exit_code == 0:
        message = "%d files could not be uploaded; the log names them." % failures
        return Outcome("upload_failed", exit_code=0, message=message)
    missing = missing_output(CODE_FOLDER, PLACED_FOLDER, placed, job.get("required") or ())
    if missing is not None and outcome.reason == "exited" and outcome.exit_code == 0:
        return Outcome("output_missing", exit_code=0, message=missing)
    return outcome
