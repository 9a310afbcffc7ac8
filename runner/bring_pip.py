"""Stands in for pip where a Python has none and a job may install packages: brings it from the package index, and becomes it.

A user's process like whatever calls it. Promises that no half of a pip is ever seen: it is unpacked beside its place and takes that at once.
"""
import os
import sys
import tempfile
import zipfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from management.pip_wheel import NoPip, fetch_pip  # noqa: E402


def bring(index, stub):
    """stub: the folder `pip` that gives way."""
    site = os.path.dirname(stub)
    with tempfile.TemporaryDirectory(dir=site) as folder:
        path, tool = fetch_pip(index, folder)
        with zipfile.ZipFile(path) as wheel:
            wheel.extractall(os.path.join(folder, "new"))
        new = os.path.join(folder, "new")
        try:
            os.rename(stub, os.path.join(folder, "old"))
            for name in os.listdir(new):
                os.rename(os.path.join(new, name), os.path.join(site, name))
        except OSError:
            pass  # another process was first
    return tool


def main():
    # The stub says where it lies: this program is its __main__.
    stub = os.path.dirname(os.path.abspath(sys.modules["pip"].__file__))
    try:
        tool = bring(os.environ.get("PIP_INDEX_URL", ""), stub)
    except (NoPip, ValueError, OSError) as failure:
        sys.stderr.write("%s\n" % failure)
        return 1
    sys.stderr.write("pip %(version)s of the package index, sha256 %(sha256)s\n" % tool)
    os.execv(sys.executable, [sys.executable, "-m", "pip"] + sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
