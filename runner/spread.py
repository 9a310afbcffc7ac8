"""Runs one command as several processes of one node that know each other, as PyTorch and TensorFlow expect them.

It is a process of the user's, below the supervisor like any other: it can be killed by what it starts, and then the job ends.
Promises: what a process prints comes line by line, with its number before it; the first that fails ends all, and its end is
that of the whole; parameter servers end when the last worker has. The plan stands in its arguments and holds no secret.
"""
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

GRACE_SECONDS = 10
CHUNK_BYTES = 64 * 1024
LINE_END = re.compile(rb"\n|\r")
ADDRESS = "127.0.0.1"


def free_ports(count):
    """Nobody else is on this loopback, so what is free now is free when the processes listen on it."""
    listening = [socket.create_server((ADDRESS, 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in listening]
    for one in listening:
        one.close()
    return ports


def of_pytorch(count):
    """By number: (what stands before its lines, its variables, whether the whole waits for it)."""
    shared = {"MASTER_ADDR": ADDRESS, "MASTER_PORT": str(free_ports(1)[0]), "WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count), "NODE_RANK": "0"}
    return [("%d" % rank, dict(shared, RANK=str(rank), LOCAL_RANK=str(rank)), True) for rank in range(count)]


def of_tensorflow(workers, servers):
    addresses = ["%s:%d" % (ADDRESS, port) for port in free_ports(workers + servers)]
    cluster = {"worker": addresses[:workers]}
    if servers:
        cluster["ps"] = addresses[workers:]
    return [
        ("%s %d" % (kind, index), {"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})}, kind == "worker")
        for kind, count in (("worker", workers), ("ps", servers))
        for index in range(count)
    ]


class Lines:
    """The output of all, whole lines at a time."""

    def __init__(self, descriptor):
        self._descriptor = descriptor
        self._lock = threading.Lock()

    def say(self, name, line):
        data = b"[%s] %s\n" % (name.encode("ascii"), line)
        with self._lock:
            while data:
                data = data[os.write(self._descriptor, data):]

    def pump(self, name, source):
        held = b""
        while True:
            data = os.read(source.fileno(), CHUNK_BYTES)
            *lines, held = LINE_END.split(held + data)
            for line in lines:
                self.say(name, line)
            if not data or len(held) >= CHUNK_BYTES:
                if held:
                    self.say(name, held)
                held = b""
            if not data:
                return


def end_all(processes):
    """Everything in this process group, what the processes have started included; this one takes no notice."""
    os.killpg(0, signal.SIGTERM)
    until = time.monotonic() + GRACE_SECONDS
    for process in processes:
        try:
            process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()


def wait_for(started):
    """The status of the first that failed, and its name; (0, None) once all have ended that are waited for."""
    by_pid = {process.pid: (name, process) for name, process, _ in started}
    waited = {process.pid for _, process, is_waited in started if is_waited}
    while waited:
        pid, status = os.wait()
        if pid not in by_pid:
            continue
        name, process = by_pid[pid]
        process.returncode = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        if process.returncode != 0:
            return process.returncode, name
        waited.discard(pid)
    return 0, None


def main(argv):
    plan = json.loads(argv[0])
    tasks = of_pytorch(plan["processes"]) if plan["kind"] == "PyTorch" else of_tensorflow(plan["workers"], plan["servers"])
    # A stop is for the processes, which the supervisor asks by their group: this one stays to tell how they ended.
    signal.signal(signal.SIGTERM, lambda *_: None)
    output, started, pumps = Lines(1), [], []
    for name, variables, is_waited in tasks:
        process = subprocess.Popen(
            argv[1:], env=dict(os.environ, **variables), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        started.append((name, process, is_waited))
        pumps.append(threading.Thread(target=output.pump, args=(name, process.stdout), daemon=True))
        pumps[-1].start()
    status, failed = wait_for(started)
    if failed is not None:
        how = "by the signal %d" % -status if status < 0 else "with exit code %d" % status
        output.say(failed, b"ended %s; the others are ended." % how.encode("ascii"))
    end_all([process for _, process, _ in started])
    for pump in pumps:
        # Not for ever: what a process has left behind may hold its output open.
        pump.join(1)
    if status < 0:
        # As it ended, so ends the whole.
        signal.signal(-status, signal.SIG_DFL) if -status not in (signal.SIGKILL, signal.SIGSTOP) else None
        os.kill(os.getpid(), -status)
    os._exit(status)


if __name__ == "__main__":
    main(sys.argv[1:])
