"""Adds up the memory of everything inside the sandbox. Only process 1 sees exactly those processes, as all of its /proc.

Anonymous and shared pages count, and what the kernel keeps for each file in scratch beside its content; files mapped from
/usr do not. The cheap sum counts pages that forked processes share once for each; only when that is over the limit is the
exact, costly one asked for.
"""
import os
import signal

#: The part of the limit by which the cheap sum may grow, once it was found to be shared, before all is stopped again.
GROWTH_SHARE = 16
SCRATCH_FOLDERS = ("/job", "/tmp", "/dev/shm")
BYTES_OF_FILE = 1024


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


def _of_files():
    """The size of scratch bounds what is in files, not how many there are: an empty one is a kibibyte of the kernel's."""
    total = 0
    for folder in SCRATCH_FOLDERS:
        room = os.statvfs(folder)
        total += (room.f_files - room.f_ffree) * BYTES_OF_FILE
    return total


def _others():
    own = str(os.getpid())
    return [name for name in os.listdir("/proc") if name.isdigit() and name != own]


def in_use():
    """The cheap sum, of the processes other than this one and of the files in scratch."""
    return _of_files() + sum(map(_resident, _others()))


class Watch:
    """Asked again and again, by process 1 of a sandbox only: it stops every process that it may signal."""

    def __init__(self, limit_bytes):
        self._limit_bytes = limit_bytes
        self._cleared_bytes = 0

    def is_over(self):
        """True when the processes other than this one hold more than the limit; they may be left stopped then."""
        pids = _others()
        of_files = _of_files()
        resident = of_files + sum(map(_resident, pids))
        if resident <= self._limit_bytes:
            self._cleared_bytes = 0
            return False
        # Nothing grows while it is measured: under load that takes long enough for many processes to fill a machine. Not where
        # the sum was found to be shared pages a moment ago, or workers that share a data set would stand still at every look.
        stops = resident > self._cleared_bytes + self._limit_bytes // GROWTH_SHARE
        if stops:
            _signal_all(signal.SIGSTOP)
        if of_files + sum(map(_proportional, pids)) > self._limit_bytes:
            return True
        self._cleared_bytes = resident
        if stops:
            _signal_all(signal.SIGCONT)
        return False


def _signal_all(number):
    try:
        os.kill(-1, number)
    except ProcessLookupError:
        pass
