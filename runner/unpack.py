"""Unpacks an image in a sandbox of its own, which has the layers to read, one folder to write, and nothing else.

It reads one JSON document from standard input and answers one JSON line: what the folder takes up, or why there is none.
"""
import json
import os
import resource
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from management import guard  # noqa: E402
from management.outcome import SetupFailed  # noqa: E402
from management.root import make_folder  # noqa: E402
from management.unpack import TooLarge  # noqa: E402

FOLDER = "/image"


def main():
    answer = guard.take_standard_output()
    guard.close_leaked_descriptors(keep=(0, 1, 2, answer))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    guard.bound_own_memory()
    # Modes are those of the image, whatever the agent's own mask is.
    os.umask(0)
    try:
        document = json.loads(sys.stdin.buffer.readline())
        told = make_folder(document["layers"], FOLDER, bool(document["isRoot"]), int(document["mostBytes"]))
    except SetupFailed as failure:
        told = {"refused": str(failure), "isTooLarge": isinstance(failure, TooLarge)}
    except MemoryError:
        told = {"refused": "The image asks its reader for too much memory."}
    os.write(answer, json.dumps(told).encode("ascii") + b"\n")


if __name__ == "__main__":
    main()
