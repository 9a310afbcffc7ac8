"""The environment that an image brings: a virtual environment that lies at /env, for whatever runs on it.

Its interpreter is the node's own and no part of the image, so the links to it are made here, where it is known which one that is.
Promises that an environment of another Python is named before anything of it is run.
"""
import os
import sys

from .outcome import SetupFailed
from .root import INTERPRETER, link_interpreter, python_of_settings

IMAGE_FOLDER = "/job/image"
STAGING_FOLDER = "/job/staging"
#: In the sandbox a link to the same folder of the image, so that what names its own place finds it.
PLACE = "/env"


def use_environment(folder=IMAGE_FOLDER + "/env", version=sys.version_info[:2], interpreter=None):
    """Variables of whatever runs on the environment; none where the image has none. Raises SetupFailed."""
    if not os.path.isfile(os.path.join(folder, "pyvenv.cfg")):
        return {}
    own = "%d.%d" % tuple(version)
    if python_of_settings(os.path.join(folder, "pyvenv.cfg")) != own:
        raise SetupFailed("The environment of the image is for another Python than this node's %s." % own)
    programs = os.path.join(folder, "bin")
    if not leads_to_interpreter(programs):
        link_interpreter(programs, own, interpreter or os.path.realpath(sys.executable))
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
