"""System metrics: what is sampled, how often, and that nothing comes of a server that refuses."""
import io
import json
import os
import subprocess
import sys
import threading
import unittest

from management import system_metrics
from management.outcome import SetupFailed
from management.system_metrics import SAMPLES_OF_A_PACE, Sampler, SystemMetrics
from management.wire import Refused

PLAN = {"url": "https://localhost:8443/log-batch", "runId": "run-1", "intervalSeconds": 10}


class Wire:
    """Takes what is sent, and answers as it is told to."""

    def __init__(self):
        self.token, self.sent, self.answer = "first", [], None

    def another(self):
        return self

    def exchange(self, method, url, accept, headers, make_body, token, attempts):
        body, length = make_body()
        text = body.read()
        assert len(text) == length and attempts == 1
        self.sent.append((method, url, token, json.loads(text)))
        if self.answer is not None:
            raise self.answer
        accept(io.BytesIO(b"{}"))

    def close(self):
        pass


class Clock:
    """In the place of the event that ends the thread: tells how long it was waited for, and ends after `most` waits."""

    def __init__(self, most, on_wait=None):
        self.waits, self._most, self._on_wait = [], most, on_wait

    def wait(self, seconds):
        self.waits.append(seconds)
        if self._on_wait:
            self._on_wait(len(self.waits))
        return len(self.waits) > self._most


class Fixed:
    def sample(self):
        return {"cpu_utilization_percentage": 12.34567}


def run(wire, most, sampler=None, on_wait=None):
    metrics = SystemMetrics(wire, PLAN, sampler or Fixed())
    metrics._ended = Clock(most, on_wait)
    metrics._run()
    return metrics._ended.waits


class Logging(unittest.TestCase):
    def test_logs_under_mlflows_names_step_by_step_with_the_token_of_the_moment(self):
        wire = Wire()

        def renew(count):
            wire.token = "second" if count > 1 else "first"

        self.assertEqual(run(wire, 2, on_wait=renew), [10, 10, 10])
        self.assertEqual([(token, body["run_id"], body["metrics"][0]["step"]) for _, _, token, body in wire.sent],
                         [("first", "run-1", 0), ("second", "run-1", 1)])
        self.assertEqual(wire.sent[0][3]["metrics"][0]["key"], "system/cpu_utilization_percentage")
        self.assertEqual(wire.sent[0][3]["metrics"][0]["value"], 12.346)

    def test_comes_ever_more_rarely(self):
        waits = run(Wire(), 3 * SAMPLES_OF_A_PACE)
        self.assertEqual([waits[0], waits[SAMPLES_OF_A_PACE], waits[2 * SAMPLES_OF_A_PACE]], [10, 20, 40])

    def test_goes_on_after_what_passes_and_ends_with_what_does_not(self):
        for answer, tries in ((Refused("x", 503), 4), (Refused("x"), 4), (SetupFailed("x"), 4), (Refused("x", 401), 1), (Refused("x", 404), 1)):
            wire = Wire()
            wire.answer = answer
            run(wire, 4)
            self.assertEqual(len(wire.sent), tries, answer)

    def test_a_sample_that_cannot_be_taken_is_left_out(self):
        class Failing:
            def sample(self):
                raise OSError("gone")

        wire = Wire()
        self.assertEqual(len(run(wire, 3, Failing())), 4)
        self.assertEqual(wire.sent, [])

    def test_its_end_is_not_waited_for(self):
        release, entered = threading.Event(), threading.Event()

        class Stuck(Wire):
            def exchange(self, *_args, **_more):
                entered.set()
                release.wait()

        metrics = SystemMetrics(Stuck(), {**PLAN, "intervalSeconds": 0}, Fixed())
        metrics.start()
        entered.wait()
        metrics.end()
        release.set()


class Sampling(unittest.TestCase):
    def setUp(self):
        self._scratch = system_metrics.SCRATCH, system_metrics.memory.SCRATCH_FOLDERS
        system_metrics.SCRATCH, system_metrics.memory.SCRATCH_FOLDERS = "/tmp", ("/tmp",)

    def tearDown(self):
        system_metrics.SCRATCH, system_metrics.memory.SCRATCH_FOLDERS = self._scratch

    def test_has_mlflows_names_and_values_that_can_be(self):
        values = Sampler(1 << 40).sample()
        self.assertEqual(
            sorted(values),
            ["cpu_utilization_percentage", "disk_available_megabytes", "disk_usage_megabytes", "disk_usage_percentage",
             "system_memory_usage_megabytes", "system_memory_usage_percentage"],
        )
        self.assertGreater(values["system_memory_usage_megabytes"], 0)
        for name in ("cpu_utilization_percentage", "disk_usage_percentage"):
            self.assertTrue(0 <= values[name] <= 100, name)

    def test_the_time_of_children_that_have_ended_stays(self):
        own = str(os.getpid())
        before = system_metrics._ticks(own, True)
        spin = "import time\nwhile time.process_time() < 0.3: pass"
        subprocess.run([sys.executable, "-I", "-c", spin], check=True)
        self.assertGreaterEqual(system_metrics._ticks(own, True) - before, 0.25 * system_metrics.TICKS_PER_SECOND)

    def test_a_name_with_brackets_and_a_process_that_is_gone_do_no_harm(self):
        self.assertEqual(system_metrics._ticks("0", False), 0)
        child = subprocess.Popen(
            [sys.executable, "-I", "-c", "open('/proc/self/comm', 'w').write(') 9 9 ('); print(flush=True); input()"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )
        child.stdout.readline()
        self.assertLess(system_metrics._ticks(str(child.pid), False), 1000)
        child.communicate(b"\n")


if __name__ == "__main__":
    unittest.main()
