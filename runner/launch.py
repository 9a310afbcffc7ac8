"""Becomes the user's process: reads what to be from descriptor 3, limits itself, and replaces itself by it.

A program of its own, because limits must be set between fork and exec, and a process with threads cannot safely run
Python there. Must not add anything to the environment or the descriptors that it was told about.
"""
import json
import os
import resource
import signal
import sys

PLAN_FD = 3
#: Process 1, the agent and the server go first: many busy processes must not keep the watch from looking at them.
NICENESS = 10


def limit(name, value):
    kind = getattr(resource, name, None)
    if kind is None or value is None:
        return
    hard = resource.getrlimit(kind)[1]
    bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (bound, bound))


def enter(root):
    """What is loaded after this would come from the image, so nothing is: only the program that replaces this one."""
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    from management.guard import drop_capabilities

    os.chroot(root)
    os.chdir("/")
    drop_capabilities()


def main():
    with os.fdopen(PLAN_FD, "rb") as source:
        plan = json.loads(source.read())
    try:
        # When the machine runs short, the user's processes go before the agent. Raising one's own score needs no right.
        with open("/proc/self/oom_score_adj", "w") as score:
            score.write("1000")
    except OSError:
        pass
    os.nice(NICENESS)
    if plan.get("root"):
        enter(plan["root"])
    for name, value in plan["limits"].items():
        limit(name, value)
    os.chdir(plan["cwd"])
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        os.execve(plan["argv"][0], plan["argv"], plan["environment"])
    except OSError as failure:
        sys.stderr.write("%s: %s\n" % (plan["argv"][0], failure.strerror))
        os._exit(127)


if __name__ == "__main__":
    main()
