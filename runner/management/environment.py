"""The environment that an image brings: a virtual environment that lies at /env, for whatever runs on it.

Its interpreter is one of the node's and no part of the image: its names for one lead to that of the sandbox, which need not be the one
that runs this. Promises that an environment of another Python is named before anything of it is run.
"""
import os
import sys

from .outcome import SetupFailed
from .root import INTERPRETER, lead_to_interpreter, read_settings, version_in

IMAGE_FOLDER = "/job/image"
STAGING_FOLDER = "/job/staging"
#: In the sandbox a link to the same folder of the image, so that what names its own place finds it.
PLACE = "/env"


def python_of_document(document):
    """(major, minor) of what user code runs on: what the document names, else the interpreter that runs this."""
    named = document.get("python")
    return tuple(int(part) for part in named.split(".")) if named else tuple(sys.version_info[:2])


def use_environment(version, folder=IMAGE_FOLDER + "/env"):
    """Variables of whatever runs on the environment; none where the image has none. version: (3, 11). Raises SetupFailed."""
    if not os.path.isfile(os.path.join(folder, "pyvenv.cfg")):
        return {}
    wanted, own = version_in(read_settings(os.path.join(folder, "pyvenv.cfg"))), "%d.%d" % version
    if wanted != own:
        which = "Python " + wanted if wanted else "a Python that it does not name"
        raise SetupFailed("The environment of the image is for %s, and it was to run on %s." % (which, own))
    if not leads_to_interpreter(os.path.join(folder, "bin")):
        lead_to_interpreter(folder)
    path = os.environ.get("PATH", "/usr/bin:/bin")
    return {"PATH": "%s/bin:%s" % (PLACE, path), "VIRTUAL_ENV": PLACE}


def leads_to_interpreter(programs):
    """Whether the agent has unpacked it, once for every sandbox of the node: it is only read then."""
    path = os.path.join(programs, "python")
    return os.path.islink(path) and os.readlink(path) == INTERPRETER


def python_of():
    """The interpreter of the environment that is in use, or None."""
    path = PLACE + "/bin/python"
    return path if os.path.exists(path) else None
