"""Makes a folder of the layers of an image: what sandboxes of the node then have as their root, or as a part of it.

Promises that the folder has what is mounted over in a root, as real folders and files, so that no link of the image decides where that
is; and that what a job cannot do without is named when it is missing. Nothing of the image is run.
"""
import os
import re
import shutil
import stat

from .outcome import SetupFailed
from .rooted import Unusable, leads_to
from .unpack import Allowance, unpack_layer

LONGEST_SETTINGS = 65536
#: A whole system has more than a folder of code.
MOST_ENTRIES = 400000
#: The agent mounts over these (agent/src/sandbox/plan.ts).
MOUNTED_FOLDERS = ("dev", "etc", "job", "proc", "run", "tmp")
MOUNTED_FILES = ("etc/group", "etc/hosts", "etc/nsswitch.conf", "etc/passwd", "etc/resolv.conf")
SHELL = "/bin/sh"
#: In every sandbox a link to the interpreter that was chosen for it, and one to the folder of its installation, whatever that is called.
INTERPRETER = "/runner/bin/python"
HOME = "/runner/python/bin"
#: What the kernel keeps for an entry of a folder in memory, beside its content.
BYTES_OF_ENTRY = 1024


def make_folder(layers, folder, is_root, most_bytes):
    """layers: [{path, gzip}]. Answers what the folder takes up: {bytes, entries}."""
    allowance = Allowance(MOST_ENTRIES, most_bytes)
    for layer in layers:
        unpack_layer(layer["path"], bool(layer["gzip"]), folder, allowance, is_root)
    if is_root:
        make_mount_points(folder)
        if not is_program(folder, SHELL):
            raise SetupFailed("The image has no %s, which runs the command of a job." % SHELL)
    else:
        lead_to_interpreter(os.path.join(folder, "env"))
    return measure(folder)


def make_mount_points(folder):
    for name in MOUNTED_FOLDERS:
        _replace(os.path.join(folder, name), stat.S_ISDIR, os.mkdir)
    for name in MOUNTED_FILES:
        _replace(os.path.join(folder, name), stat.S_ISREG, _touch)


def _replace(path, fits, make):
    if os.path.lexists(path):
        mode = os.lstat(path).st_mode
        if fits(mode):
            return
        shutil.rmtree(path) if stat.S_ISDIR(mode) else os.unlink(path)
    make(path)


def _touch(path):
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644))


def is_program(root, path):
    """Whether the path leads to a file that can be run, when the folder is the root."""
    try:
        place = leads_to(root, path)
    except Unusable:
        return False
    return place is not None and os.path.isfile(place) and os.access(place, os.X_OK)


def lead_to_interpreter(environment):
    """A virtual environment has no interpreter of its own: its names for one lead to that of the sandbox that it is used in, and so does
    its home, where the library of that interpreter is looked for. What an image brings in their place gives way."""
    path = os.path.join(environment, "pyvenv.cfg")
    if not os.path.isfile(path):
        return
    settings = read_settings(path)
    version = version_in(settings)
    programs = os.path.join(environment, "bin")
    os.makedirs(programs, exist_ok=True)
    for name in ["python", "python3"] + (["python" + version] if version else []):
        _write_anew(os.path.join(programs, name), lambda at: os.symlink(INTERPRETER, at))
    others = [line for line in settings.splitlines() if line.partition("=")[0].strip().lower() != "home"]

    def write(at):
        with open(os.open(at, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "w", encoding="utf-8") as target:
            target.write("\n".join(["home = " + HOME] + others) + "\n")

    _write_anew(path, write)


def _write_anew(path, write):
    if os.path.lexists(path):
        os.unlink(path)
    write(path)


def settings_of(version):
    """`pyvenv.cfg` of an environment for this version, `3.11`."""
    return "home = %s\ninclude-system-site-packages = false\nversion = %s\n" % (HOME, version)


def read_settings(path):
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "r", encoding="utf-8", errors="replace") as source:
        return source.read(LONGEST_SETTINGS)


def version_in(settings):
    """`3.11`, as the build of a virtual environment has written it in its configuration; None where it has not."""
    found = re.search(r"^version = (3\.[0-9]{1,3})$", settings, re.MULTILINE)
    return found.group(1) if found else None


def measure(folder):
    """Bytes as they are kept, each file once, however many names it has."""
    seen, total, entries = set(), 0, 0
    for at, folders, names in os.walk(folder):
        for name in folders + names:
            entries += 1
            status = os.lstat(os.path.join(at, name))
            if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode):
                if status.st_ino in seen:
                    continue
                seen.add(status.st_ino)
            total += status.st_blocks * 512 + BYTES_OF_ENTRY
    return {"bytes": total, "entries": entries}
