"""What the wheels of an image installed, and whether this Python can import it.

Promises that a wheel for another Python is named before the script is loaded: an import error in the middle of somebody
else's package says less. Source: PyPA, platform compatibility tags.
"""
import os
import re

from .outcome import SetupFailed

FOLDER = ".strongroom/python"
LONGEST_WHEEL_FILE = 64 * 1024
PYTHON = re.compile(r"^(py|cp)([23])([0-9]*)$")


def _fits(tag, version):
    """tag: `cp311-abi3-manylinux_2_17_x86_64`, of one wheel; version: (major, minor)."""
    parts = tag.split("-")
    found = PYTHON.match(parts[0]) if len(parts) == 3 else None
    if found is None or int(found.group(2)) != version[0]:
        return False
    minor = int(found.group(3) or "0")
    if found.group(1) == "py" or parts[1] in ("abi3", "none"):
        return minor <= version[1]
    return minor == version[1]


def tags_of(path):
    """The compatibility tags in a WHEEL file."""
    with open(path, "r", encoding="utf-8", errors="replace") as source:
        lines = source.read(LONGEST_WHEEL_FILE).splitlines()
    return [line[len("Tag:"):].strip() for line in lines if line.startswith("Tag:")]


def dependencies_folder(app_root, version):
    """version: (major, minor) of what the script runs on. The folder for PYTHONPATH, or None for an image without dependencies. Raises SetupFailed."""
    folder = os.path.join(app_root, *FOLDER.split("/"))
    if not os.path.isdir(folder):
        return None
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name, "WHEEL")
        if not name.endswith(".dist-info") or not os.path.isfile(path):
            continue
        tags = tags_of(path)
        if tags and not any(_fits(tag, version) for tag in tags):
            raise SetupFailed(
                "The wheel of %s is for %s, and scoring runs with Python %d.%d here. Put one for this version into the"
                " folder wheels of the code." % ((name[: -len(".dist-info")], tags[0]) + tuple(version))
            )
    return folder
