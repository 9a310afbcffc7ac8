"""Builds the environment of a job: a virtual environment at /env, from requirements and the one package index that there is.

Runs as a user's process in a sandbox, because what it installs may run code of strangers: nothing that it says is believed
where it is read. Packages come through Strongroom, by the token of this build; there is no other network. What was installed,
with the digests that pip has verified, and the tree itself, sorted and without times and owners, are sent back as one archive.
"""
import http.client
import importlib.machinery
import json
import os
import re
import subprocess
import sys
import tarfile
import time
import urllib.parse

# -I leaves out the folder of the program; nothing but the management code is taken from it.
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from management.pip_wheel import NoPip, fetch_pip
from management.result import Failed, send
from management.root import INTERPRETER, settings_of

ROOT = "/job/image"
ENV = "/env"
WORK = "/job/build"
WHY = "/job/why"
LOCK_NAME = "strongroom-lock.json"
#: As many as are unpacked where the environment is used.
MOST_ENTRIES = 90000
#: As much as fits beside its own layer where it is used.
MOST_BYTES = 5 * 1024 ** 3


def say(text):
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def make_environment():
    """A virtual environment without pip: the folders, links and one file, as PEP 405 has them. Its home is a name that every sandbox has
    for the installation of its interpreter, so that it does not matter where on a node that lies."""
    version = "%d.%d" % sys.version_info[:2]
    os.makedirs(os.path.join(ROOT, "env"))
    for folder in (os.path.join(ENV, "bin"), os.path.join(ENV, "lib", "python" + version, "site-packages")):
        os.makedirs(folder)
    with open(os.path.join(ENV, "pyvenv.cfg"), "w") as config:
        config.write(settings_of(version))
    for name in ("python", "python3", "python" + version):
        os.symlink(INTERPRETER, os.path.join(ENV, "bin", name))


def abi():
    """As extension modules for this interpreter are named: `cpython-311-x86_64-linux-gnu`."""
    return importlib.machinery.EXTENSION_SUFFIXES[0].strip(".").rsplit(".so", 1)[0]


def pip_environment(index):
    """What pip runs in. The index is a door of this sandbox, which holds the token: nothing that pip starts is given one."""
    temporary = os.path.join(WORK, "tmp")
    os.makedirs(temporary)
    return {
        "PATH": "%s/bin:/usr/local/bin:/usr/bin:/bin" % ENV,
        "HOME": "/job",
        "TMPDIR": temporary,
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "SOURCE_DATE_EPOCH": "315532800",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": index,
        "PIP_NO_CACHE_DIR": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "PIP_PROGRESS_BAR": "off",
        "PIP_TIMEOUT": "120",
        "PIP_RETRIES": "3",
        "PIP_NO_COMPILE": "1",
        "PIP_NO_WARN_SCRIPT_LOCATION": "1",
        "VIRTUAL_ENV": ENV,
    }


def run(argv, environment):
    """Passes on what is printed; answers the status and the lines in which pip says what went wrong."""
    child = subprocess.Popen(argv, env=environment, cwd=WORK, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    errors = []
    for line in child.stdout:
        text = line.decode("utf-8", "replace").rstrip("\n")
        say(text)
        stripped = text.strip()
        if re.match(r"^(ERROR|error):", stripped) and len(errors) < 50:
            errors.append(re.sub(r"^(ERROR|error):\s*", "", stripped)[:400])
    return child.wait(), errors


def install(pip, requirements, options, environment):
    """Answers what pip has installed, by its own report."""
    listed = os.path.join(WORK, "requirements.txt")
    with open(listed, "w") as target:
        target.write("\n".join(requirements) + "\n")
    report = os.path.join(WORK, "report.json")
    python = os.path.join(ENV, "bin", "python")
    argv = [python, os.path.join(pip, "pip"), "install", "--prefer-binary", "--report", report] + options + ["-r", listed]
    status, errors = run(argv, environment)
    if status != 0:
        raise Failed("pip: " + (" ".join(errors)[:800] or "ended with status %d; the log says more." % status))
    with open(report, "rb") as source:
        return [installed(item) for item in json.loads(source.read())["install"]]


def installed(item):
    metadata, download = item["metadata"], item["download_info"]
    digest = (download.get("archive_info", {}).get("hashes") or {}).get("sha256")
    name = urllib.parse.unquote(urllib.parse.urlsplit(download["url"]).path.rsplit("/", 1)[-1])
    return {"name": metadata["name"], "version": metadata["version"], "file": name, "sha256": digest}


def compile_all(environment):
    """Byte code that is valid by being there: it needs no time of a file, and a root that is read-only keeps it."""
    argv = [os.path.join(ENV, "bin", "python"), "-m", "compileall", "-q", "-q", "-j", "0", "--invalidation-mode", "unchecked-hash", os.path.join(ENV, "lib")]
    # A package may hold files for other versions of Python, which do not compile: they are left as they are.
    subprocess.run(argv, env=environment, cwd=WORK, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def collect():
    """(path in the archive, path here, size, may be run), sorted by the bytes of the path in the archive."""
    found, total = [], 0
    root = os.path.join(ROOT, "env")
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not os.path.islink(os.path.join(folder, name))]
        for name in names:
            here = os.path.join(folder, name)
            inside = "env/" + os.path.relpath(here, root)
            if os.path.islink(here) or not os.path.isfile(here):
                if os.path.dirname(inside) != "env/bin":
                    say("not kept: %s is no plain file" % ascii(inside))
                continue
            status = os.stat(here)
            total += status.st_size
            found.append((inside, here, status.st_size, bool(status.st_mode & 0o100)))
            if len(found) > MOST_ENTRIES or total > MOST_BYTES:
                raise Failed("The environment has more than %d files or %d GiB." % (MOST_ENTRIES, MOST_BYTES >> 30))
    found.sort(key=lambda entry: os.fsencode(entry[0]))
    say("%d files, %d bytes" % (len(found), total))
    return found


def entry_of(found):
    inside, here, size, runs = found
    entry = tarfile.TarInfo(inside)
    entry.size, entry.mode = size, 0o755 if runs else 0o644
    return entry, here


def build(given):
    os.makedirs(WORK)
    index = os.environ["PIP_INDEX_URL"]
    say("Python %d.%d.%d (%s)" % (sys.version_info[:3] + (abi(),)))
    for remark in given["remarks"]:
        say(remark)
    for line in given["requirements"]:
        say("wanted: " + line)
    make_environment()
    lock = {"python": "%d.%d" % sys.version_info[:2], "abi": abi(), "builder": given["builder"], "packages": []}
    environment = pip_environment(index)
    began = time.monotonic()
    if given["requirements"]:
        pip, tool = fetch_pip(index, WORK)
        say("pip %(file)s of the package index, sha256 %(sha256)s" % tool)
        lock["pip"] = tool
        lock["packages"] = sorted(install(pip, given["requirements"], given["options"], environment), key=lambda one: one["name"].lower())
    fetched = time.monotonic()
    compile_all(environment)
    compiled = time.monotonic()
    with open(os.path.join(ENV, LOCK_NAME), "w") as target:
        target.write(json.dumps(lock, sort_keys=True, separators=(",", ":")) + "\n")
    send(given["token"], given["result"], map(entry_of, collect()))
    say(
        "the environment is in the registry; seconds: %.1f to install, %.1f to compile, %.1f to send"
        % (fetched - began, compiled - fetched, time.monotonic() - compiled)
    )


def main():
    given = json.loads(os.environ.pop("STRONGROOM_BUILD"))
    try:
        build(given)
    except (Failed, NoPip) as failure:
        say(str(failure))
        why = str(failure)
    except (OSError, ValueError, KeyError, http.client.HTTPException) as failure:
        say("%s: %s" % (type(failure).__name__, failure))
        why = "The environment could not be built: %s" % failure
    else:
        return 0
    with open(WHY, "w") as target:
        target.write(why)
    return 1


if __name__ == "__main__":
    sys.exit(main())
