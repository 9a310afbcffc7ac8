"""For tests: runs a program whose fsync and fdatasync fail where a test says so.

    python3 syncs.py RULES SEEN PROGRAM ARGUMENT...

The kernel asks a watcher before each of the two calls (seccomp's user notification), so the call fails in the program itself,
whoever makes it: Node, or SQLite inside of it. The program keeps this process's id, streams and signals. RULES is a file of JSON
that is read at each call, {"match": regular expression on the path, "error": "EIO", "skip": 0, "times": 1}: the first `skip` that
match go through, the next `times` fail. SEEN gets a line for each call that matches: what became of it, and the path.
"""

import array
import ctypes
import errno
import fcntl
import json
import os
import platform
import re
import select
import socket
import struct
import sys

CALLS = {"x86_64": (0xC000003E, 317, (74, 75)), "aarch64": (0xC00000B7, 277, (82, 83))}
LOAD, EQUAL, ANSWER = 0x20, 0x15, 0x06
ALLOW, NOTIFY = 0x7FFF0000, 0x7FC00000
SET_MODE_FILTER, NEW_LISTENER, NO_NEW_PRIVILEGES = 1, 1 << 3, 38
RECEIVE, SEND = 0xC0502100, 0xC0182101
GO_ON = 1


def install():
    """Of this process and what it becomes; answers the watcher's end."""
    architecture, seccomp, (first, second) = CALLS[platform.machine()]
    program = [
        (LOAD, 0, 0, 4), (EQUAL, 1, 0, architecture), (ANSWER, 0, 0, ALLOW),
        (LOAD, 0, 0, 0), (EQUAL, 1, 0, first), (EQUAL, 0, 1, second),
        (ANSWER, 0, 0, NOTIFY), (ANSWER, 0, 0, ALLOW),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in program))
    described = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    listener = libc.syscall(seccomp, SET_MODE_FILTER, NEW_LISTENER, ctypes.byref(described))
    if listener < 0:
        raise OSError(ctypes.get_errno(), "seccomp")
    return listener


def watch(listener, rules, seen):
    counts = {}
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    while True:
        # A listener hangs up when nobody is left who is watched.
        if any(event & select.POLLHUP for _, event in poll.poll()):
            return
        request = bytearray(80)
        try:
            fcntl.ioctl(listener, RECEIVE, request)
        except OSError as error:
            # The call that asked was given up meanwhile.
            if error.errno != errno.ENOENT:
                raise
            continue
        number, thread, descriptor = struct.unpack_from("QI", request)[0:2] + struct.unpack_from("Q", request, 32)
        try:
            path = os.readlink(f"/proc/{thread}/fd/{descriptor}")
        except OSError:
            path = "?"
        failure = 0
        try:
            with open(rules, "rb") as text:
                rule = text.read()
        except FileNotFoundError:
            rule = b""
        if rule:
            wanted = json.loads(rule)
            if re.search(wanted["match"], path):
                count = counts[rule] = counts.get(rule, 0) + 1
                if wanted["skip"] < count <= wanted["skip"] + wanted["times"]:
                    failure = getattr(errno, wanted["error"])
                with open(seen, "a") as log:
                    log.write(f"{wanted['error'] if failure else 'passed'} {path}\n")
        answer = bytearray(struct.pack("QqiI", number, 0, -failure, 0 if failure else GO_ON))
        try:
            fcntl.ioctl(listener, SEND, answer)
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise


def main():
    _, rules, seen, *program = sys.argv
    ours, theirs = socket.socketpair()
    if os.fork() == 0:
        # Nobody's child, so that the program finds none that it did not make.
        if os.fork() != 0:
            os._exit(0)
        theirs.close()
        _, ancillary, _, _ = ours.recvmsg(1, socket.CMSG_LEN(4))
        listener = array.array("i", ancillary[0][2])[0]
        ours.close()
        with open(os.devnull, "r+b") as nothing:
            for stream in (0, 1, 2):
                os.dup2(nothing.fileno(), stream)
        os.closerange(3, listener)
        os.closerange(listener + 1, 256)
        watch(listener, rules, seen)
        os._exit(0)
    os.wait()
    ours.close()
    listener = install()
    theirs.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [listener]))])
    os.close(listener)
    os.execvp(program[0], program)


main()
