"""The first and only process that the agent starts in a sandbox: process 1 inside.

It reads one JSON document from standard input, opens the way to Strongroom, runs a job or a scoring server as child
processes, and reports in JSON lines. Promises: no user code runs in this process, and none can read or trace it, so
that its reports are its own. Must not print anything else to standard output, nor put a token into an argument.
"""
import json
import os
import resource
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from management import guard  # noqa: E402
from management.control import Control  # noqa: E402
from management.forwarder import listen, start_forwarder  # noqa: E402
from management.job import is_root, run_job  # noqa: E402
from management.outcome import Outcome, SetupFailed, exit_status  # noqa: E402
from management.reporter import Reporter  # noqa: E402
from management.score import run_score  # noqa: E402
from management.wire import Wire  # noqa: E402

LONGEST_DOCUMENT_BYTES = 16 * 1024 * 1024
CA_FILE = "/run/strongroom/ca.pem"
SERVER_SOCKET = "/run/strongroom/server.sock"
COMMANDS = {"job": run_job, "score": run_score}


def read_document(stream):
    """The first line of the stream. The rest of it is control messages, read later by `Control`."""
    line = stream.readline(LONGEST_DOCUMENT_BYTES)
    if not line.endswith(b"\n"):
        raise SetupFailed("The document ended early or is larger than 16 MiB.")
    document = json.loads(line)
    if document.get("command") not in COMMANDS:
        raise SetupFailed("The document must name the command job or score.")
    return document


def leave(reporter, outcome):
    """Says how it ended, and ends. Not by sys.exit: a thread that waits for input must not hold up the end."""
    reporter.event("finished", **outcome.fields())
    os._exit(exit_status(outcome))


def main():
    guard.become_private()
    guard.cannot_be_interrupted()
    reporter = Reporter(guard.take_standard_output())
    guard.close_leaked_descriptors(keep=(0, 1, 2, reporter.descriptor))
    # Before any thread exists, because threads inherit the mask: the supervisor takes these two by asking for them.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD, signal.SIGTERM})
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    guard.bound_own_memory()
    try:
        document = read_document(sys.stdin.buffer)
        port = int(document["port"])
        listener = listen(port)
        guard.drop_capabilities(keeps_chroot=is_root(document))
        start_forwarder(listener, SERVER_SOCKET)
        wire = Wire(CA_FILE, port, socket_path=SERVER_SOCKET)
        control = Control(sys.stdin.buffer, wire, lambda: leave(reporter, Outcome("stopped")))
        control.start()
        outcome = COMMANDS[document["command"]](document, reporter, control, wire)
    except SetupFailed as failure:
        outcome = Outcome("setup_failed", message=str(failure))
    except (KeyError, TypeError, ValueError, AttributeError) as failure:
        outcome = Outcome("setup_failed", message="The document is not as described: %r" % failure)
    except (MemoryError, OSError) as failure:
        outcome = Outcome("setup_failed", message="The sandbox ran out of room: %s" % failure)
    leave(reporter, outcome)


if __name__ == "__main__":
    main()
