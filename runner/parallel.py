"""Runs a function of a script over an input in mini-batches, several at a time: what Azure calls a parallel step.

    python3 parallel.py PLAN INPUT APPEND_TO|- -- arguments of the script

It is a process of the user's, started by the command of a job, on the Python that the script runs on. The script has `run(mini_batch)`,
and may have `init()` and `shutdown()`, which each worker process calls once. Promises: a mini-batch is done whole or told as failed; a
worker that hangs or dies costs its mini-batch one try and nothing else; what `run` returned is written in the order of the mini-batches;
the end is a failure as soon as more has failed than the plan allows. Needs nothing but the standard library, except for tables, which
are read by the package mltable of the environment.
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

DEFAULT_FILES = 10
DEFAULT_TABLE_BYTES = 1024 * 1024
RUN_SECONDS = 60
LOAD_SECONDS = 600
SHUTDOWN_SECONDS = 60
LONGEST_REPLY = 64 * 1024
FAILURES_TOLD = 100
TABLE_FILE = "MLTable"
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


class Wrong(Exception):
    """What cannot be done, in words for the log."""


# The input, in pieces


def files_of(place, is_table):
    """Every file below it, in one order; of a table those that it names."""
    if os.path.isfile(place):
        return [place]
    kept = of_table(os.path.join(place, TABLE_FILE)) if is_table else None
    found = []
    for folder, folders, names in os.walk(place):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(folder, name)
            relative = os.path.relpath(path, place)
            if kept is None or (relative != TABLE_FILE and any(pattern.match(relative) for pattern in kept)):
                found.append(path)
    return found


def of_table(path):
    """The paths of an MLTable file: a list of one word each. Anything else needs the reader of tables."""
    patterns, within = [], False
    with open(path, encoding="utf-8") as source:
        for line in source:
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            item = re.match(r"^\s*-\s*(file|folder|pattern)\s*:\s*(.+?)\s*$", line)
            if within and item:
                patterns.append(pattern_of(item.group(1), item.group(2).strip("\"'")))
            elif re.match(r"^\S", line):
                within = line.startswith("paths:")
                if within and line.strip() != "paths:":
                    raise Wrong("The paths of the file MLTable are read as a list, one file, folder or pattern a line.")
            elif within:
                raise Wrong("The paths of the file MLTable hold '%s', which is no file, folder or pattern." % line.strip()[:100])
    if not patterns:
        raise Wrong("The file MLTable names no paths.")
    return patterns


def pattern_of(kind, said):
    word = said[2:] if said.startswith("./") else said
    if "://" in word or word.startswith("/") or ".." in word.split("/"):
        raise Wrong("The file MLTable names '%s': only what lies beside it is here." % said[:100])
    if kind == "file":
        return re.compile(re.escape(word) + r"\Z")
    if kind == "folder":
        return re.compile(re.escape(word.rstrip("/")) + r"/.*\Z", re.S)
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", word)
    means = {"**/": r"(?:.*/)?", "**": r".*", "*": r"[^/]*", "?": r"[^/]"}
    return re.compile("".join(means.get(part) or re.escape(part) for part in parts) + r"\Z", re.S)


def batches_of_files(plan, place):
    files = files_of(place, plan["type"] == "mltable")
    size = plan.get("size") or DEFAULT_FILES
    return [{"files": files[at : at + size], "items": len(files[at : at + size])} for at in range(0, len(files), size)]


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


def split(plan, place, folder):
    try:
        import mltable
    except ImportError:
        raise Wrong("A table (an mltable of the mode direct) is read by the package mltable, and the environment has none: name mltable and pandas in its conda file.")
    frame = mltable.load(place).to_pandas_dataframe()
    keys = plan.get("keys") or []
    missing = [key for key in keys if key not in frame.columns]
    if missing:
        raise Wrong("The table has no column %s, which partition_keys names." % ", ".join(missing)[:200])
    if keys:
        pieces = ((dict(zip(keys, key if isinstance(key, tuple) else (key,))), part) for key, part in frame.groupby(keys if len(keys) > 1 else keys[0]))
    else:
        size = plan.get("size") or DEFAULT_TABLE_BYTES
        stored = sum(os.path.getsize(path) for path in files_of(place, False) if os.path.basename(path) != TABLE_FILE)
        rows = max(1, int(size * len(frame) / max(1, stored)))
        pieces = ((None, frame.iloc[at : at + rows]) for at in range(0, len(frame), rows))
    with open(os.path.join(folder, "pieces"), "w", encoding="utf-8") as target:
        for number, (key, part) in enumerate(pieces):
            path = os.path.join(folder, "%d.pickle" % number)
            part.reset_index(drop=True).to_pickle(path)
            target.write(json.dumps({"piece": path, "items": len(part), "key": key}, default=plain) + "\n")


def plain(value):
    """A number of numpy as one of Python; anything else as text."""
    return value.item() if hasattr(value, "item") else str(value)


# A worker: calls the script


class MiniBatchContext:
    """What `run` may ask for as its second argument."""

    def __init__(self, index, key):
        self.minibatch_index = index
        self.partition_key_value = key


def script_of(plan):
    import importlib.util

    path = os.path.abspath(plan["entry"])
    sys.path.insert(0, os.path.dirname(path))
    name = os.path.splitext(os.path.basename(path))[0]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or not os.path.isfile(path):
        raise Wrong("The entry script %s is not in the code." % plan["entry"])
    script = importlib.util.module_from_spec(spec)
    sys.modules[name] = script
    spec.loader.exec_module(script)
    if not callable(getattr(script, "run", None)):
        raise Wrong("The entry script %s has no function run(mini_batch)." % plan["entry"])
    return script


def takes_context(run):
    import inspect

    try:
        places = [one for one in inspect.signature(run).parameters.values() if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    except (TypeError, ValueError):
        return False
    return len(places) > 1


def rows_of(returned):
    """What `run` returned as lines, and how many items it stands for."""
    if hasattr(returned, "to_csv") and hasattr(returned, "columns"):
        return returned.to_csv(sep=" ", header=False, index=False), len(returned)
    if isinstance(returned, (str, bytes, dict)) or not hasattr(returned, "__len__") or not hasattr(returned, "__iter__"):
        raise Wrong("run() returned %s, and returns a list, a tuple or a data frame with an element for each item that it has done." % type(returned).__name__)
    return "".join("%s\n" % (item,) for item in returned), len(returned)


def work(plan, spool, descriptor, arguments):
    """Takes mini-batches from standard input and answers on a descriptor of its own; what the script prints is its own."""
    os.set_inheritable(descriptor, False)
    replies = os.fdopen(descriptor, "w", encoding="utf-8")

    def reply(**fields):
        replies.write(json.dumps(fields) + "\n")
        replies.flush()

    tasks = os.fdopen(os.dup(0), encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.argv = [plan["entry"], *arguments]
    try:
        script = script_of(plan)
        if callable(getattr(script, "init", None)):
            script.init()
        context = takes_context(script.run)
    except BaseException as failure:
        reply(init_failed=told(failure))
        return
    reply(ready=True)
    for line in tasks:
        task = json.loads(line)
        index = task["index"]
        try:
            batch = task["files"] if "files" in task else load_piece(task["piece"])
            reply(loaded=index)
            returned = script.run(batch, MiniBatchContext(index, task.get("key"))) if context else script.run(batch)
            text, count = rows_of(returned)
            if plan["appends"]:
                path = os.path.join(spool, str(index))
                with open(path + ".part", "w", encoding="utf-8") as target:
                    target.write(text)
                os.replace(path + ".part", path)
        except BaseException as failure:
            reply(failed=index, error=told(failure))
            continue
        reply(done=index, count=count)
    if callable(getattr(script, "shutdown", None)):
        script.shutdown()


def load_piece(path):
    import pandas

    return pandas.read_pickle(path)


def told(failure):
    if isinstance(failure, Wrong):
        return str(failure)
    import traceback

    traceback.print_exc()
    return ("%s: %s" % (type(failure).__name__, failure))[:1000]


class Worker:
    """One process of the script, and how it is talked to."""

    def __init__(self, plan, spool, arguments):
        reading, writing = os.pipe()
        own = [sys.executable, "-B", os.path.abspath(__file__), "--work", json.dumps(plan), spool, str(writing)]
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


# The whole


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
            said = "took longer than %d seconds" % self._plan["firstSeconds"] if reply is None else reply.get("init_failed")
            self._give_up("The script could not be begun: init() %s." % said)
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
        while any(thread.is_alive() for thread in threads):
            for thread in threads:
                thread.join(1)
            with self._lock:
                still, waited, is_begun = time.monotonic() - self._moved, time.monotonic() - self._begun, self._is_first_taken
            if 0 < self._plan["progressSeconds"] < still:
                self._give_up("No mini-batch was over within %d seconds (progress_update_timeout)." % self._plan["progressSeconds"])
            if not is_begun and waited > self._plan["firstSeconds"]:
                self._give_up("No mini-batch was begun within %d seconds (first_task_creation_timeout)." % self._plan["firstSeconds"])
        return self.why


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
    if argv[0] == "--work":
        return work(json.loads(argv[1]), argv[2], int(argv[3]), argv[5:])
    return drive(json.loads(argv[0]), argv[1], argv[2], argv[4:])


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Wrong as wrong:
        print("[parallel] %s" % wrong, file=sys.stderr, flush=True)
        sys.exit(1)
