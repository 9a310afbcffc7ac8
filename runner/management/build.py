"""Builds an image of a Dockerfile: its steps one after another, in a root that lies in memory, and then what has changed in it.

Process 1 does it, since it alone can enter that root. A command of the file is a user's process like that of a job; when it has ended
none of its processes is left, and only then is the root touched from here. What a command says or leaves decides nothing but what is
in the image that asks for it.
"""
import os
import re
import time

from . import fetch
from .environment import python_of_document
from .index_door import open_door, settings_of_pip
from .layer import MOUNTED, Layer
from .outcome import Outcome, SetupFailed
from .pip_wheel import NoPip, fetch_pip
from .redaction import Redaction
from .result import CA_FILE, Failed, send
from .root import INTERPRETER, settings_of
from .rooted import Unusable, copy_into, copy_root, folder_in
from .supervisor import Program, resource_limits, supervise

ROOT = "/image"
BASE = "/base"
CONTEXT = "/context"
SERVER_SOCKET = "/run/strongroom/server.sock"
#: Seen in both roots, and in no image.
PIP_FOLDER = "/job"
MOST_TAIL = 8000


class Told:
    """What the commands print goes on, and its end is kept, to say why one has failed. The job has begun once."""

    def __init__(self, reporter):
        self._reporter = reporter
        self._has_begun = False
        self.tail = ""

    def event(self, name, **fields):
        if name == "running":
            if self._has_begun:
                return
            self._has_begun = True
        self._reporter.event(name, **fields)

    def output(self, text):
        self.tail = (self.tail + text)[-MOST_TAIL:]
        self._reporter.output(text)

    def why(self):
        """Lines that say that they are errors, as pip's and apt's do."""
        lines = [re.sub(r"^(ERROR|error|E):\s*", "", line.strip()) for line in self.tail.splitlines() if re.match(r"^\s*(ERROR|error|E):", line)]
        return "".join(character if character.isprintable() else " " for character in " ".join(lines))[:600]


class Ended(Exception):
    def __init__(self, outcome):
        super().__init__(outcome.reason)
        self.outcome = outcome


class Build:
    def __init__(self, document, reporter, control, wire):
        self.document, self.control, self.wire = document, control, wire
        self.job, self.build = document["job"], document["job"]["build"]
        self.told = Told(reporter)
        self.redaction = Redaction(self.job.get("redact") or ())
        #: A door of this sandbox, which holds the token: no command is given one.
        self.pip = settings_of_pip(open_door(self.job["packages"]["index"], wire, CA_FILE, SERVER_SOCKET))
        self.is_on_image = bool(document.get("image"))
        self.ends_at = time.monotonic() + float(self.job.get("timeoutSeconds") or 3600)

    def say(self, text):
        self.told.output(self.redaction.whole(text + "\n"))

    def run(self):
        for remark in self.build["remarks"]:
            self.say(remark)
        bounds = fetch.Bounds("build context", fetch.SNAPSHOT_FILES, fetch.SNAPSHOT_BYTES)
        fetch.fetch_folder(self.wire, self.build["context"], CONTEXT, bounds)
        self.wire.close()
        os.umask(0o022)
        if self.is_on_image:
            copy_root(BASE, ROOT, MOUNTED)
        layer = Layer(ROOT, BASE if self.is_on_image else None)
        steps = self.build["steps"]
        if not self.is_on_image:
            self.make_environment(any(step["do"] == "run" for step in steps))
        for number, step in enumerate(steps, 1):
            self.say("Step %d/%d : %s" % (number, len(steps), step["text"]))
            try:
                self.take(step)
            except Unusable as failure:
                raise Failed("Line %d of the Dockerfile, %s: %s." % (step["line"], step["text"][:100], failure))
        entries = list(layer.entries(self.say))
        self.check_end()
        send(self.wire.token, self.build["result"], self.bounded(entries))
        self.say("The image is in the registry.")

    def bounded(self, entries):
        for entry in entries:
            self.check_end()
            yield entry

    def check_end(self):
        if self.control.stop_grace_seconds is not None:
            raise Ended(Outcome("stopped"))
        if time.monotonic() > self.ends_at:
            raise Ended(Outcome("timeout"))

    def take(self, step):
        self.check_end()
        if step["do"] == "folder":
            folder_in(ROOT, step["path"])
        elif step["do"] == "copy":
            copy_into(CONTEXT, ROOT, step)
        else:
            folder_in(ROOT, step["cwd"])
            self.command(step["argv"], step["cwd"], step["environment"], "Line %d of the Dockerfile, %s" % (step["line"], step["text"][:100]))

    def command(self, argv, cwd, environment, title):
        if not argv[0].startswith("/"):
            argv = ["/bin/sh", "-c", 'exec "$0" "$@"'] + argv
        self.told.tail = ""
        outcome = supervise(
            Program(argv, cwd, self.environment(environment), resource_limits(self.document["limits"]), ROOT),
            self.document["limits"],
            self.told,
            self.control,
            redact=self.job.get("redact") or (),
            timeout_seconds=max(1.0, self.ends_at - time.monotonic()),
        )
        if outcome.reason == "exited" and outcome.exit_code == 0:
            return
        if outcome.reason == "exited":
            why = self.told.why()
            outcome.message = "%s: %s" % (title, why or "it ended with status %d; the log says more." % outcome.exit_code)
            self.say(outcome.message)
        raise Ended(outcome)

    def environment(self, given):
        """What every command has, the Dockerfile's own variables over it, and over those how packages are reached."""
        return {
            "HOME": "/root",
            "TMPDIR": "/tmp",
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            "PYTHONDONTWRITEBYTECODE": "1",
            # Byte code that pip writes is then valid by what it was made of, and not by a time, which no image keeps.
            "SOURCE_DATE_EPOCH": "315532800",
            **given,
            **self.pip,
            "PIP_CONFIG_FILE": os.devnull,
        }

    def make_environment(self, needs_pip):
        """On the node's own Python packages lie in a virtual environment at /env, as those of a conda file do; pip is in it."""
        python = python_of_document(self.document)
        version = "%d.%d" % python[:2]
        here = os.path.join(ROOT, "env")
        for folder in ("bin", os.path.join("lib", "python" + version, "site-packages")):
            os.makedirs(os.path.join(here, folder))
        with open(os.path.join(here, "pyvenv.cfg"), "w") as config:
            config.write(settings_of(version))
        for name in ("python", "python3", "python" + version):
            os.symlink(INTERPRETER, os.path.join(here, "bin", name))
        if not needs_pip:
            return
        pip, tool = fetch_pip(self.pip["PIP_INDEX_URL"], PIP_FOLDER, python)
        self.say("pip %(file)s of the package index, sha256 %(sha256)s" % tool)
        argv = ["/env/bin/python", os.path.join(pip, "pip"), "install", "--quiet", "--no-deps", "--no-index", pip]
        self.command(argv, "/job", {"PATH": "/env/bin:/usr/local/bin:/usr/bin:/bin"}, "pip could not be installed")


def run_build(document, reporter, control, wire):
    """The Outcome of a build: `exited` with 0 when the image was taken, and else with why there is none."""
    wire.token = document["job"]["token"]
    reporter.event("preparing")
    try:
        Build(document, reporter, control, wire).run()
    except Ended as ended:
        return ended.outcome
    except (Failed, NoPip) as failure:
        return Outcome("exited", exit_code=1, message=str(failure)[:1000])
    return Outcome("exited", exit_code=0)
