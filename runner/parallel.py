"""Runs a function of a script over an input in mini-batches, several at a time: what Azure calls a parallel step.

    python3 parallel.py PLAN INPUT APPEND_TO|- -- arguments of the script

It is a process of the user's, started by the command of a job, on the Python that the script runs on. The script has `run(mini_batch)`,
and may have `init()` and `shutdown()`, which each worker process calls once. Promises: a mini-batch is done whole or told as failed; a
worker that hangs or dies costs its mini-batch one try and nothing else; what `run` returned is written in the order of the mini-batches;
the end is a failure as soon as more has failed than the plan allows.
"""
import json
import os
import queue
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from management.parallel_input import Wrong, batches_of_files, split  # noqa: E402

RUN_SECONDS = 60
LOAD_SECONDS = 600
SHUTDOWN_SECONDS = 60
LONGEST_REPLY = 64 * 1024
FAILURES_TOLD = 100
#: The name that Azure gives the file where only a folder is said.
ROWS_FILE = "parallel_run_step.txt"
LEVELS = {"DEBUG": 0, "INFO": 1, "WARNING": 2}
#: Settings that Azure reads among the arguments of the script, which gets them, too; each is a whole number.
IN_ARGUMENTS = {
    "--error_threshold": "itemThreshold",
    "--allowed_failed_percent": "failedPercent",
    "--task_overhead_timeout": "loadSeconds",
    "--progress_update_timeout": "progressSeconds",
    "--first_task_creation_timeout": "firstSeconds",
}
#: Of those that are no number of seconds.
BOUNDS = {"--error_threshold": (-1, 2**31), "--allowed_failed_percent": (0, 100)}


class Worker:
    """One process of the script, and how it is talked to."""

    def __init__(self, plan, spool, arguments):
        reading, writing = os.pipe()
        own = [sys.executable, "-B", os.path.join(HERE, "parallel_worker.py"), json.dumps(plan), spool, str(writing)]
        # A group of its own, so that what it starts is killed with it.
        self._process = subprocess.Popen(
            [*own, "--", *arguments], stdin=subprocess.PIPE, pass_fds=(writing,), start_new_session=True
        )
        os.close(writing)
        self._replies = reading
        self._held = b""

    def send(self, task):
        self._process.stdin.write(json.dumps(task).encode() + b"\n")
        self._process.stdin.flush()

    def reply(self, seconds, is_over):
        """The next reply; None when there was none in time. Raises EOFError when the process has ended."""
        until = time.monotonic() + seconds
        while b"\n" not in self._held:
            left = until - time.monotonic()
            if left <= 0 or is_over():
                return None
            if not select.select([self._replies], [], [], min(left, 1))[0]:
                continue
            data = os.read(self._replies, LONGEST_REPLY)
            if not data or len(self._held) > LONGEST_REPLY:
                raise EOFError
            self._held += data
        line, self._held = self._held.split(b"\n", 1)
        try:
            reply = json.loads(line)
        except ValueError:
            raise EOFError
        if not isinstance(reply, dict):
            raise EOFError
        return reply

    def end(self, seconds):
        """Lets it shut down; kills what is left of it, and what it has started."""
        try:
            self._process.stdin.close()
            self._process.wait(seconds)
        except (OSError, subprocess.TimeoutExpired):
            pass
        self.kill()

    def kill(self):
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except OSError:
            pass
        status = self._process.wait()
        if self._replies >= 0:
            os.close(self._replies)
            self._replies = -1
        return "by the signal %d" % -status if status < 0 else "with exit code %d" % status


class Run:
    """Deals mini-batches out to workers, and keeps what became of each."""

    def __init__(self, plan, batches, spool, arguments):
        self._plan, self._spool, self._arguments = plan, spool, arguments
        self._batches = batches
        self._waiting = queue.SimpleQueue()
        for index in range(len(batches)):
            self._waiting.put((index, 0))
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._begun = self._moved = time.monotonic()
        self._is_first_taken = False
        self.done, self.failed, self.items_failed, self.why = 0, 0, 0, None

    def say(self, level, text):
        if LEVELS[level] >= LEVELS[self._plan.get("level", "INFO")]:
            print("[parallel] %s" % text, flush=True)

    def _give_up(self, why):
        with self._lock:
            if self.why is None:
                self.why = why
            self._over.set()

    def _settle(self, index, missing, error):
        """One more is over. Its items that have no result count as failed."""
        with self._lock:
            self._moved = time.monotonic()
            self.items_failed += missing
            # As public examples have it: who ignores failed items returns what he likes.
            is_failed = error is not None or (missing > 0 and self._plan["itemThreshold"] >= 0)
            self.failed += 1 if is_failed else 0
            self.done += 0 if is_failed else 1
            over, count = self.done + self.failed, len(self._batches)
            failed, items = self.failed, self.items_failed
        if is_failed and failed <= FAILURES_TOLD:
            self.say("WARNING", "mini-batch %d failed: %s" % (index, error or "%d of its items have no result" % missing))
        self.say("DEBUG", "mini-batch %d is over" % index)
        if over == count or over % max(1, count // 20) == 0:
            self.say("INFO", "%d of %d mini-batches are over, %d failed" % (over, count, failed))
        plan = self._plan
        if 0 <= plan["batchThreshold"] < failed:
            self._give_up("%d mini-batches have failed, and mini_batch_error_threshold is %d." % (failed, plan["batchThreshold"]))
        if 0 <= plan["itemThreshold"] < items:
            self._give_up("%d items have failed, and error_threshold is %d." % (items, plan["itemThreshold"]))
        if failed * 100 > plan["failedPercent"] * count:
            self._give_up("%d of %d mini-batches have failed, and allowed_failed_percent is %d." % (failed, count, plan["failedPercent"]))

    def _attempt(self, worker, index):
        """None, or why this try failed and whether the worker can go on."""
        batch = self._batches[index]
        worker.send(dict(index=index, **{name: value for name, value in batch.items() if name != "items"}))
        reply = worker.reply(self._plan["loadSeconds"], self._over.is_set)
        if reply is not None and reply.get("loaded") == index:
            with self._lock:
                self._is_first_taken = True
            reply = worker.reply(self._plan["timeout"], self._over.is_set)
            late = "run() took longer than %d seconds (retry_settings.timeout)." % self._plan["timeout"]
        else:
            late = "the mini-batch was not loaded within %d seconds." % self._plan["loadSeconds"]
        if reply is None:
            return late, False
        if reply.get("done") == index and isinstance(reply.get("count"), int):
            missing = max(0, batch["items"] - reply["count"])
            self._settle(index, missing, None)
            return None, True
        if reply.get("failed") == index:
            return str(reply.get("error")), True
        raise EOFError

    def _ready(self, worker):
        """Waits for `init` as long as for the first mini-batch."""
        reply = worker.reply(self._plan["firstSeconds"], self._over.is_set)
        if reply is not None and reply.get("ready"):
            return True
        if not self._over.is_set():
            late = "init() took longer than %d seconds." % self._plan["firstSeconds"]
            self._give_up("The script could not be begun: %s" % (late if reply is None else reply.get("init_failed")))
        return False

    def deal(self):
        """What one worker after another does in the place of one."""
        worker = None
        try:
            while not self._over.is_set():
                try:
                    index, tries = self._waiting.get_nowait()
                except queue.Empty:
                    break
                if worker is None:
                    worker = Worker(self._plan, self._spool, self._arguments)
                    try:
                        is_ready = self._ready(worker)
                    except EOFError:
                        self._give_up("The script could not be begun: its process ended %s." % worker.kill())
                        is_ready = False
                    if not is_ready:
                        return
                try:
                    error, can_go_on = self._attempt(worker, index)
                except (EOFError, OSError):
                    error, can_go_on = "its process ended %s." % worker.kill(), False
                if not can_go_on:
                    worker.kill()
                    worker = None
                if error is None or self._over.is_set():
                    continue
                if tries < self._plan["retries"]:
                    self.say("WARNING" if tries == 0 else "DEBUG", "mini-batch %d is tried again: %s" % (index, error))
                    self._waiting.put((index, tries + 1))
                else:
                    self._settle(index, self._batches[index]["items"], error)
        except BaseException as failure:
            self._give_up("The driver failed: %s: %s" % (type(failure).__name__, failure))
        finally:
            if worker is not None:
                worker.end(0 if self._over.is_set() else SHUTDOWN_SECONDS)

    def go(self):
        places = min(self._plan["workers"], len(self._batches))
        self.say("INFO", "%d mini-batches, %d at a time" % (len(self._batches), places))
        threads = [threading.Thread(target=self.deal) for _ in range(places)]
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(1)
                self._watch()
        return self.why

    def _watch(self):
        """What takes too long with all workers together."""
        with self._lock:
            still, waited, is_begun = time.monotonic() - self._moved, time.monotonic() - self._begun, self._is_first_taken
        if 0 < self._plan["progressSeconds"] < still:
            self._give_up("No mini-batch was over within %d seconds (progress_update_timeout)." % self._plan["progressSeconds"])
        if not is_begun and waited > self._plan["firstSeconds"]:
            self._give_up("No mini-batch was begun within %d seconds (first_task_creation_timeout)." % self._plan["firstSeconds"])


def batches_of_table(plan, place, folder):
    """In a process of its own: what it loads is gone when it ends."""
    splitting = subprocess.run(
        [sys.executable, "-B", os.path.abspath(__file__), "--split", json.dumps(plan), place, folder],
        stdin=subprocess.DEVNULL,
        check=False,
    )
    if splitting.returncode != 0:
        raise Wrong("The table could not be read and split; what it said is above.")
    with open(os.path.join(folder, "pieces"), encoding="utf-8") as source:
        return [json.loads(line) for line in source]


def settled(plan, arguments):
    """The plan with what is not said in it, and with what the arguments of the script say."""
    whole = {
        **{"timeout": RUN_SECONDS, "retries": 2, "itemThreshold": -1, "batchThreshold": -1, "failedPercent": 100},
        **{"loadSeconds": LOAD_SECONDS, "progressSeconds": 0, "firstSeconds": LOAD_SECONDS},
    }
    whole.update({name: value for name, value in plan.items() if value is not None})
    if not whole.get("workers"):
        whole["workers"] = len(os.sched_getaffinity(0)) * whole.get("instances", 1)
    for at, word in enumerate(arguments):
        name, equals, value = word.partition("=")
        if name not in IN_ARGUMENTS:
            continue
        given = value if equals else (arguments[at + 1] if at + 1 < len(arguments) else "")
        if not re.match(r"^-?[0-9]{1,10}$", given):
            raise Wrong("The argument %s is a whole number." % name)
        least, most = BOUNDS.get(name, (1, 259200))
        if not least <= int(given) <= most:
            raise Wrong("The argument %s is a number from %d to %d." % (name, least, most))
        whole[IN_ARGUMENTS[name]] = int(given)
    return whole


def gather(spool, count, target):
    """What was returned, in the order of the mini-batches."""
    if os.path.isdir(target):
        target = os.path.join(target, ROWS_FILE)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with open(target, "wb") as whole:
        for index in range(count):
            path = os.path.join(spool, str(index))
            if os.path.exists(path):
                with open(path, "rb") as part:
                    shutil.copyfileobj(part, whole)


def drive(said, place, target, arguments):
    plan = dict(settled(said, arguments), appends=target != "-")
    with tempfile.TemporaryDirectory(prefix="parallel-") as spool:
        is_table = plan["type"] == "table"
        batches = batches_of_table(plan, place, spool) if is_table else batches_of_files(plan, place)
        if not batches:
            raise Wrong("The input has nothing in it, so there is nothing to run.")
        run = Run(plan, batches, spool, arguments)
        why = run.go()
        if plan["appends"]:
            gather(spool, len(batches), target)
        if why is not None:
            raise Wrong(why)
        run.say("INFO", "done: %d mini-batches, %d of them failed, %d items without a result" % (len(batches), run.failed, run.items_failed))


def main(argv):
    if argv[0] == "--split":
        return split(json.loads(argv[1]), argv[2], argv[3])
    return drive(json.loads(argv[0]), argv[1], argv[2], argv[4:])


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Wrong as wrong:
        print("[parallel] %s" % wrong, file=sys.stderr, flush=True)
        sys.exit(1)
