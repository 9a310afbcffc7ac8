"""One process of a parallel step: calls the function of the script with one mini-batch after another.

    python3 parallel_worker.py PLAN SPOOL DESCRIPTOR -- arguments of the script

Begun by parallel.py, which gives it mini-batches on standard input and reads what became of them on a descriptor of its own. Imports
nothing of ours: every name is the script's to use.
"""
import json
import os
import sys


class Wrong(Exception):
    """What the script does and may not, in words for the log."""


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


if __name__ == "__main__":
    work(json.loads(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[5:])
