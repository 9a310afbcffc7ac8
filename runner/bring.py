"""Brings inputs to where a node keeps them: a program of the agent, outside of any sandbox, that runs and reads nothing of anybody's.

Standard input has two lines of JSON: who asks and what is to be decided, and, once that was answered, what to bring and where to. Each
file is written in bounded pieces to a folder of the agent's and verified by its digest. What is answered is a line for each step. The end
of the input is the end of the agent, and of this.
"""
import json
import os
import resource
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from management import fetch, guard  # noqa: E402
from management.outcome import SetupFailed  # noqa: E402
from management.wire import Refused, Wire, read_bounded  # noqa: E402

LONGEST_LINE_BYTES = 64 * 1024 * 1024
DECISION_BYTES = 64 * 1024
WHAT = "input"


def decide(wire, decision):
    """The server says whether this token may read a snapshot; that its files are those of the document, the digest says."""
    try:
        told = json.loads(wire.exchange("GET", decision["url"], lambda answer: read_bounded(answer, DECISION_BYTES)))
    except Refused as failure:
        raise SetupFailed("An input may not be read. %s" % failure)
    if not isinstance(told, dict) or told.get("snapshotId") != decision["digest"]:
        raise SetupFailed("An input is not what the job was told of it.")


def bring(wire, wanted):
    """One input, into a folder that is not there yet."""
    files, folder = wanted["files"], wanted["folder"]
    bounds = fetch.Bounds(WHAT, len(files), sum(int(entry["size"]) for entry in files))
    os.mkdir(folder)
    fetch.fetch_folder(wire, files, folder, bounds)
    for here, _, names in os.walk(folder):
        for name in names:
            os.chmod(os.path.join(here, name), 0o444)


def line_of(stream):
    line = stream.readline(LONGEST_LINE_BYTES)
    if not line.endswith(b"\n"):
        # The agent is gone: nobody wants it any more.
        os._exit(1)
    return json.loads(line)


def end_with(stream):
    """Ends this process, in the middle of whatever it does, when the agent's end of the input is closed."""
    while stream.readline(LONGEST_LINE_BYTES):
        pass
    os._exit(1)


def work(stream, say):
    document = line_of(stream)
    address = (document["host"], int(document["hostPort"]))
    wire = Wire(None, int(document["port"]), document["token"], ca_pem=document["caPem"], address=address)
    for decision in document["decisions"]:
        decide(wire, decision)
    say({"decided": True})
    inputs = line_of(stream)["inputs"]
    threading.Thread(target=end_with, args=(stream,), daemon=True).start()
    for wanted in inputs:
        bring(wire, wanted)
        say({"brought": wanted["key"]})
    return {"done": True}


def main():
    answer = guard.take_standard_output()
    guard.close_leaked_descriptors(keep=(0, 1, 2, answer))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    guard.bound_own_memory()
    # For sandboxes to read, once the agent lets them to where it lies.
    os.umask(0o022)

    def say(told):
        fetch.write_all(answer, json.dumps(told).encode("ascii") + b"\n")

    try:
        say(work(sys.stdin.buffer, say))
    except SetupFailed as failure:
        say({"refused": str(failure)})
    except OSError as failure:
        say({"refused": "The inputs cannot be kept here: %s." % failure.strerror})
    # Not by sys.exit: a thread that waits for input must not hold up the end.
    os._exit(0)


if __name__ == "__main__":
    main()
