"""Where the command of a job installs packages to: a folder in the memory of the job, before whatever its Python has.

The environment of an image is only read, and so are the Python of the node and the root of an image. Promises that what is installed is
found by the interpreter and by the programs of its environment, and that nothing of these is changed.
"""
import os

from .root import INTERPRETER, settings_of

#: Of a program of an environment that is a script.
SCRIPT_BYTES = 64 * 1024
STUB = {
    "__init__.py": '"""In the place of pip, which this Python has not: it comes from the package index when it is called."""\n',
    "__main__.py": 'import runpy\n\nrunpy.run_path("/runner/bring_pip.py", run_name="__main__")\n',
}


def use_packages(home, environment, own_version, has_pip, env_place=None, env_folder=None):
    """Makes `home`, and answers the variables of a command that installs into it; `environment` is what they are laid over.

    own_version: (3, 11) of the Python that packages are for; None: whatever an image brings. env_place: where the environment of an
    image lies for the command (/env), env_folder: where it lies for this process.
    """
    programs = os.path.join(home, "bin")
    os.makedirs(programs)
    found = {"PATH": "%s:%s" % (programs, environment["PATH"])}
    if own_version is None:
        return dict(found, **of_user(home))
    version = "%d.%d" % own_version
    site = os.path.join(home, "lib", "python" + version, "site-packages")
    os.makedirs(site)
    if not has_pip:
        _write_stub(os.path.join(site, "pip"))
    if env_place is None:
        _write_program(os.path.join(programs, "pip"), '#!/bin/sh\nexec /runner/bin/python -m pip "$@"\n')
        return dict(found, **of_user(home))
    _lay_over(home, version, env_place, env_folder)
    _write_program(os.path.join(programs, "pip"), '#!/bin/sh\nexec %s/python -m pip "$@"\n' % programs)
    return dict(found, VIRTUAL_ENV=home)


def of_user(home):
    """pip installs for the user where it cannot write to the system. That the system's packages are the distribution's is no concern of a
    job, in which nothing of the system can be changed."""
    return {"PYTHONUSERBASE": home, "PIP_BREAK_SYSTEM_PACKAGES": "1"}


def _lay_over(home, version, place, folder):
    """A virtual environment over another: what is installed comes before what that has, and its programs see both."""
    with open(os.path.join(home, "pyvenv.cfg"), "w", encoding="utf-8") as target:
        target.write(settings_of(version))
    programs = os.path.join(home, "bin")
    interpreters = ("python", "python3", "python" + version)
    for name in interpreters:
        os.symlink(INTERPRETER, os.path.join(programs, name))
    below = os.path.join(place, "lib", "python" + version, "site-packages")
    with open(os.path.join(home, "lib", "python" + version, "site-packages", "environment.pth"), "w", encoding="utf-8") as target:
        # Not the path alone: files of this kind in it are to count as well.
        target.write("import site; site.addsitedir(%r)\n" % below)
    for entry in sorted(os.scandir(os.path.join(folder, "bin")), key=lambda one: one.name):
        if entry.name in interpreters or not entry.is_file(follow_symlinks=False) or entry.stat().st_size > SCRIPT_BYTES:
            continue
        with open(entry.path, "rb") as source:
            script = source.read()
        first, _, rest = script.partition(b"\n")
        if first.startswith(b"#!" + os.fsencode(place) + b"/bin/python"):
            _write_program(os.path.join(programs, entry.name), "#!%s/python\n" % programs, rest)


def _write_program(path, text, rest=b""):
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o755), "wb") as target:
        target.write(text.encode("utf-8") + rest)


def _write_stub(folder):
    os.makedirs(folder)
    for name, text in STUB.items():
        with open(os.path.join(folder, name), "w", encoding="utf-8") as target:
            target.write(text)
