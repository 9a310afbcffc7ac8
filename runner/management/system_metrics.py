"""System metrics of a job, under MLflow's names, into its own run: what the processes of this sandbox use of their node.

Promises: a thread of its own that never holds anything up: a server that is slow or away costs samples and nothing else. Ever
fewer samples the longer the job runs, so that a week of them is some thousands. Reads /proc of this sandbox, so that neither
other jobs nor the rest of the machine are in the numbers.
"""
import io
import json
import os
import threading
import time

from . import memory
from .outcome import SetupFailed
from .wire import Refused

SCRATCH = "/job"
MEGABYTE = 1e6
#: After so many samples at one pace the next ones come at half of it.
SAMPLES_OF_A_PACE = 360
#: Answers that will be the same the next time: the run is not the job's any more, or takes nothing.
FINAL = frozenset((400, 401, 403, 404))
LONGEST_ANSWER = 64 * 1024
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def _ticks(pid, of_children_only):
    """Processor time of a process and of the children that it has waited for."""
    try:
        with open("/proc/%s/stat" % pid) as source:
            text = source.read()
    except (OSError, ValueError):
        return 0
    # The name stands in brackets and may hold anything, brackets too.
    fields = text[text.rfind(")") + 2:].split()
    own, children = sum(map(int, fields[11:13])), sum(map(int, fields[13:15]))
    return children if of_children_only else own + children


def processor_seconds():
    """Of everything that this process ever started, by itself or through others. Never sinks: who ends leaves his time to
    whoever waited for him."""
    own = str(os.getpid())
    pids = [name for name in os.listdir("/proc") if name.isdigit()]
    return sum(_ticks(pid, pid == own) for pid in pids) / TICKS_PER_SECOND


class Sampler:
    def __init__(self, memory_bytes, now=time.monotonic):
        self._memory_bytes = memory_bytes
        self._now = now
        self._processors = len(os.sched_getaffinity(0))
        self._at, self._seconds = now(), processor_seconds()

    def sample(self):
        """By MLflow's names, without the prefix. The processor's share is that of the time since the last sample."""
        at, seconds = self._now(), processor_seconds()
        elapsed = max(at - self._at, 1e-3)
        busy = max(0.0, seconds - self._seconds) / elapsed / self._processors
        self._at, self._seconds = at, seconds
        used = memory.in_use()
        room = os.statvfs(SCRATCH)
        total, free = room.f_blocks * room.f_frsize, room.f_bavail * room.f_frsize
        return {
            "cpu_utilization_percentage": min(100.0, 100 * busy),
            "system_memory_usage_megabytes": used / MEGABYTE,
            "system_memory_usage_percentage": 100 * used / self._memory_bytes,
            "disk_usage_megabytes": (total - free) / MEGABYTE,
            "disk_usage_percentage": 100 * (total - free) / total if total else 0.0,
            "disk_available_megabytes": free / MEGABYTE,
        }


class SystemMetrics:
    def __init__(self, wire, plan, sampler):
        """plan: of the document, { url, runId, intervalSeconds }. wire: whose token is sent, as it is renewed."""
        self._wire, self._sender = wire, wire.another()
        self._plan, self._sampler = plan, sampler
        self._ended = threading.Event()

    def start(self):
        threading.Thread(target=self._run, daemon=True).start()

    def end(self):
        """At once: what is under way is not waited for."""
        self._ended.set()

    def _run(self):
        step, interval = 0, float(self._plan["intervalSeconds"])
        while not self._ended.wait(interval):
            try:
                self._log(self._sampler.sample(), step)
            except Refused as refused:
                if refused.status in FINAL:
                    return
            except (OSError, ValueError, SetupFailed):
                pass  # a sample less: /proc changes while it is read
            step += 1
            if step % SAMPLES_OF_A_PACE == 0:
                interval *= 2

    def _log(self, values, step):
        timestamp = int(time.time() * 1000)
        metrics = [
            {"key": "system/" + name, "value": round(value, 3), "timestamp": timestamp, "step": step}
            for name, value in values.items()
        ]
        body = json.dumps({"run_id": self._plan["runId"], "metrics": metrics}).encode("utf-8")
        try:
            self._sender.exchange(
                "POST",
                self._plan["url"],
                lambda response: response.read(LONGEST_ANSWER),
                headers={"Content-Type": "application/json"},
                make_body=lambda: (io.BytesIO(body), len(body)),
                token=self._wire.token,
                # What did not arrive is old by the time of another try.
                attempts=1,
            )
        finally:
            # Until the next sample it would only be held open.
            self._sender.close()
