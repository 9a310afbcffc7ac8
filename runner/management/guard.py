"""What process 1 does to itself before it touches anything that users bring.

Promises that a process with the same user id cannot open its descriptors or memory through /proc.
"""
import ctypes
import os
import resource
import signal

PR_SET_DUMPABLE = 4
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4
CAP_SYS_CHROOT = 1 << 18
CAPABILITY_VERSION_3 = 0x20080522
OWN_MEMORY_BYTES = 1024 * 1024 * 1024


def become_private():
    """Makes /proc/1 unreadable for the user's processes; otherwise they could write to /proc/1/fd/1 and forge events."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_DUMPABLE) failed")


def cannot_be_interrupted():
    """The kernel keeps from process 1 what processes inside send it, but not what it has a handler for: Python's own for an
    interrupt would let user code end the one that reports on it. Not ignored, because children would inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def drop_capabilities(keeps_chroot=False):
    """Gives up what process 1 may have been given: the capability to listen on a port below 1024, and the one to enter the root of
    an image, which it keeps for the program that becomes the user's.

    Before any thread exists, because capabilities belong to threads."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    kept = (ctypes.c_uint32 * 6)()
    if keeps_chroot:
        # Effective, permitted, inheritable, of the lower half. What is ambient goes with what is not inheritable any more.
        kept[0:3] = (CAP_SYS_CHROOT,) * 3
    elif libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "giving up capabilities failed")
    if libc.capset(header, kept) != 0:
        raise OSError(ctypes.get_errno(), "giving up capabilities failed")


def take_standard_output():
    """Moves standard output to a private descriptor and leaves standard error in its place, for stray prints."""
    private = os.dup(1)
    os.dup2(2, 1)
    return private


def close_leaked_descriptors(keep):
    """Closes what the agent's own parent may have left open: it would be a way out of the sandbox."""
    for name in os.listdir("/proc/self/fd"):
        if int(name) not in keep:
            try:
                os.close(int(name))
            except OSError:
                pass  # the descriptor of the listing itself


def bound_own_memory():
    """A hostile archive can make a parser ask for gigabytes. The soft limit only, because children set their own."""
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    bound = OWN_MEMORY_BYTES if hard == resource.RLIM_INFINITY else min(OWN_MEMORY_BYTES, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (bound, hard))
