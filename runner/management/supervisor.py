"""Runs the user's processes as children of process 1: starts, watches, ends and reaps them.

Promises: they get a private pipe for their output and no other descriptor; the time and memory limits hold for all of them
together; when `supervise` returns, not one is left. Must be the only code that waits for children.
"""
import codecs
import fcntl
import json
import os
import signal
import sys
import threading
import time

from . import memory
from .outcome import Outcome
from .redaction import Redaction

WATCHED = {signal.SIGCHLD, signal.SIGTERM}
TICK_SECONDS = 0.2
TIMEOUT_GRACE_SECONDS = 10
CHUNK_BYTES = 64 * 1024
#: Threads of process 1 count against the same user; they are not the user's doing.
OWN_THREADS = 8
PLAN_FD = 3
CONTROL_FD = 4
LAUNCHER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "launch.py")


def resource_limits(limits):
    """The agent's limits as those of one process. Data counts what is written to; address space, which allocators and
    thread stacks reserve far beyond use, gets four times as much. The sum over processes is the watch in `memory`."""
    return {
        "RLIMIT_DATA": limits["memoryBytes"],
        "RLIMIT_AS": limits["memoryBytes"] * 4,
        "RLIMIT_NPROC": limits["processes"] + OWN_THREADS,
        "RLIMIT_NOFILE": limits["openFiles"],
        "RLIMIT_FSIZE": limits["fileBytes"],
        "RLIMIT_CPU": limits.get("cpuSeconds"),
        "RLIMIT_CORE": 0,
        "RLIMIT_MEMLOCK": 64 * 1024,
        "RLIMIT_MSGQUEUE": 0,
    }


class Program:
    """What to start: argv (absolute program first), cwd, environment, limits (of `resource_limits`). root: in which all of them are."""

    def __init__(self, argv, cwd, environment, limits, root=None):
        self.plan = {"argv": argv, "cwd": cwd, "environment": environment, "limits": limits, "root": root}


def _start(program, output_fd, control_fd):
    plan_read, plan_write = os.pipe()
    # Above the numbers that they are moved to, so that one move cannot overwrite the source of the next.
    output, plan = _raise_descriptor(output_fd), _raise_descriptor(plan_read)
    control = None if control_fd is None else _raise_descriptor(control_fd)
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, output, 1),
        (os.POSIX_SPAWN_DUP2, output, 2),
        (os.POSIX_SPAWN_DUP2, plan, PLAN_FD),
    ]
    if control is not None:
        actions.append((os.POSIX_SPAWN_DUP2, control, CONTROL_FD))
    pid = os.posix_spawn(
        sys.executable,
        [sys.executable, "-I", "-B", LAUNCHER],
        {"LANG": "C.UTF-8"},
        file_actions=actions,
        setpgroup=0,
        setsigmask=(),
    )
    for descriptor in (output, plan, control):
        if descriptor is not None:
            os.close(descriptor)
    with os.fdopen(plan_write, "wb") as target:
        target.write(json.dumps(program.plan).encode("utf-8"))
    return pid


def _raise_descriptor(descriptor):
    raised = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 16)
    os.close(descriptor)
    return raised


def _pump_text(descriptor, redaction, on_text):
    decode = codecs.getincrementaldecoder("utf-8")("replace").decode
    while True:
        data = os.read(descriptor, CHUNK_BYTES)
        text = redaction.feed(decode(data, not data))
        if not data:
            text += redaction.rest()
        if text:
            on_text(text)
        if not data:
            break
    os.close(descriptor)


def _pump_lines(descriptor, on_line):
    with os.fdopen(descriptor, "rb") as source:
        while True:
            line = source.readline(CHUNK_BYTES)
            if not line:
                break
            on_line(line)


class Ending:
    """Why and until when the user's processes are being ended; the first reason stays."""

    def __init__(self):
        self.reason = None
        self.kill_at = None

    def begin(self, reason, grace_seconds, group):
        if self.reason is not None:
            return
        self.reason = reason
        self.kill_at = time.monotonic() + grace_seconds
        if grace_seconds > 0:
            _signal(os.killpg, group, signal.SIGTERM)


def _signal(send, target, number):
    try:
        send(target, number)
    except ProcessLookupError:
        pass


def supervise(
    program, limits, reporter, control, redact=(), timeout_seconds=None, on_control_line=None, on_tick=None
):
    """Runs the program to its end and returns the Outcome.

    redact: texts to take out of what the program prints. timeout_seconds: for the program, without what comes before.
    on_control_line: takes the lines that the program writes to CONTROL_FD, which it only has when this is given.
    on_tick: returns a reason to kill everything, or None."""
    redaction = Redaction(redact)
    control.supervised()
    output_read, output_write = os.pipe()
    control_read, control_write = os.pipe() if on_control_line is not None else (None, None)
    child = _start(program, output_write, control_write)
    reporter.event("running")
    pumps = [threading.Thread(target=_pump_text, args=(output_read, redaction, reporter.output), daemon=True)]
    if control_read is not None:
        pumps.append(threading.Thread(target=_pump_lines, args=(control_read, on_control_line), daemon=True))
    for pump in pumps:
        pump.start()
    watch = memory.Watch(limits["memoryBytes"])
    started, ending, status = time.monotonic(), Ending(), None
    while status is None:
        taken = signal.sigtimedwait(WATCHED, TICK_SECONDS)
        # From outside only (the sender has no process id in here): user code must not end its job as if it had been asked for.
        if taken is not None and taken.si_signo == signal.SIGTERM and taken.si_pid == 0:
            control.request_stop()
        status = _reap(child)
        now = time.monotonic()
        if control.stop_grace_seconds is not None:
            ending.begin("stopped", control.stop_grace_seconds, child)
        if timeout_seconds is not None and now - started > timeout_seconds:
            ending.begin("timeout", TIMEOUT_GRACE_SECONDS, child)
        if watch.is_over():
            ending.begin("memory", 0, child)
        problem = on_tick() if on_tick is not None else None
        if problem is not None:
            ending.begin(problem, 0, child)
        if status is None and ending.kill_at is not None and now >= ending.kill_at:
            _signal(os.kill, -1, signal.SIGKILL)
    _end_all()
    for pump in pumps:
        pump.join()
    return _outcome(status, ending.reason)


def _reap(child):
    """Collects every child that has ended (orphans of the user's included); the status of `child`, if it is among them."""
    status = None
    while True:
        try:
            pid, ended = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return status
        if pid == 0:
            return status
        if pid == child:
            status = ended


def _end_all():
    """Kills until nobody is left. One shot is not enough for processes that multiply."""
    while True:
        _signal(os.kill, -1, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0] != 0:
                pass
        except ChildProcessError:
            return
        time.sleep(0.005)


def _outcome(status, reason):
    if os.WIFSIGNALED(status):
        name = signal.Signals(os.WTERMSIG(status)).name
        return Outcome(reason or "signal", signal=name)
    return Outcome(reason or "exited", exit_code=os.WEXITSTATUS(status))
