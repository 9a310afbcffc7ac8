"""Adds up the memory of everything inside the sandbox. Only process 1 sees exactly those processes, as all of its /proc.

Anonymous and shared pages count, files mapped from /usr do not. The cheap sum counts pages that forked processes share
once for each; only when that is over the limit is the exact, costly one asked for.
"""
import os


def _field_bytes(text, names):
    total = 0
    for line in text.splitlines():
        name, _, rest = line.partition(":")
        if name in names:
            total += int(rest.split()[0]) * 1024
    return total


def _read(path):
    try:
        with open(path) as source:
            return source.read()
    except (OSError, ValueError):
        return ""


def _resident(pid):
    return _field_bytes(_read("/proc/%s/status" % pid), ("RssAnon", "RssShmem"))


def _proportional(pid):
    exact = _field_bytes(_read("/proc/%s/smaps_rollup" % pid), ("Pss_Anon", "Pss_Shmem"))
    # fails closed: a process that hides its map is counted by what it cannot hide.
    return exact or _resident(pid)


def is_over(limit_bytes):
    """True when the processes other than this one hold more than the limit."""
    own = str(os.getpid())
    pids = [name for name in os.listdir("/proc") if name.isdigit() and name != own]
    if sum(map(_resident, pids)) <= limit_bytes:
        return False
    return sum(map(_proportional, pids)) > limit_bytes
