"""Takes what a job left in ./outputs and ./logs to the artifacts of its run, and its placed outputs to their places.

Promises: regular files only, no link is followed, bounded count and bytes, no holes, streamed; what is left behind is named in the job's
own log, and fails the job unless it was no file at all. Runs after the last user process has ended, so that a file cannot become
something else between looking and reading. Must bear every tree that a user can make: deep, wide, closed, oddly named.
"""
import json
import os
import stat
import time
import urllib.parse

from .paths import BadPath, checked_parts
from .wire import Refused

MOST_FILES = 2000
MOST_BYTES = 5 * 1024 ** 3
MOST_ENTRIES = 100000
#: A larger file of which less than half was ever written is not stored as zeros: a hole costs its maker nothing.
SPARSE_BYTES = 10 * 1024 ** 2
#: Lines in the log of the job about what was left behind.
MOST_NAMED = 20
FOLDERS = ("outputs", "logs")


class Found:
    """files: (path, size) of what is to be uploaded. refused: (path, message) of what should be and cannot.
    passed_over: (path, message) of what is no file. Paths are relative to the folder of the code."""

    def __init__(self):
        self.files = []
        self.refused = []
        self.passed_over = []
        self.bytes = 0
        self.entries = 0

    def take(self, path, size):
        """False when there is no room for this file, nor for any after it."""
        self.bytes += size
        if len(self.files) == MOST_FILES or self.bytes > MOST_BYTES:
            self.refused.append((path, "More than %d files or %d GiB." % (MOST_FILES, MOST_BYTES >> 30)))
            return False
        self.files.append((path, size))
        return True


def collect(code_folder, folders=FOLDERS):
    """What there is to upload, by looking at each entry itself, never through a link."""
    found = Found()
    # A list, not recursion: user code can make a tree deeper than any stack. Last in, first out, so the first folder comes last.
    waiting = list(reversed(folders))
    while waiting:
        inside = _look(code_folder, waiting.pop(), found)
        if inside is None:
            break
        waiting.extend(reversed(inside))
    return found


def _look(code_folder, path, found):
    """Sorts one entry in. Answers the entries inside it, in order; None when no more is to be looked at."""
    full = os.path.join(code_folder, path)
    try:
        checked_parts(path)
        status = os.lstat(full)
        if stat.S_ISREG(status.st_mode):
            if status.st_size > SPARSE_BYTES and status.st_blocks * 512 < status.st_size // 2:
                found.refused.append((path, "Most of it is a hole that was never written. Write the file without holes."))
                return []
            return [] if found.take(path, status.st_size) else None
        if not stat.S_ISDIR(status.st_mode):
            found.passed_over.append((path, "It is a link." if stat.S_ISLNK(status.st_mode) else "It is not a file."))
            return []
        names = sorted(os.listdir(full))
    except FileNotFoundError:
        return []  # outputs or logs themselves: nothing else goes away any more
    except (BadPath, OSError) as failure:
        found.refused.append((path, getattr(failure, "strerror", None) or str(failure)))
        return []
    found.entries += len(names)
    if found.entries > MOST_ENTRIES:
        found.refused.append((path, "More than %d files and folders." % MOST_ENTRIES))
        return None
    return [path + "/" + name for name in names]


def _readable(path):
    """As text that can be shown: a name may hold bytes that are none."""
    return path.encode("utf-8", "backslashreplace").decode("utf-8")


def missing_output(code_folder, placed_folder, placed, names):
    """The first of these outputs in which the command has left no file, or None. placed: those that have a place of their own."""
    for name in names:
        place = placed.get(name)
        folder, path = (code_folder, "outputs/" + name) if place is None else (placed_folder, name)
        found = collect(folder, (path,))
        wanted = None if place is None or place.get("file") is None else path + "/" + place["file"]
        # What cannot be kept was written all the same, and is named by its own failure.
        written = [one for one, _ in found.files + found.refused]
        if not written or (wanted is not None and wanted not in written):
            return name
    return None


def upload_outputs(wire, say, code_folder, base_url, give_up_at=None):
    """Uploads, and says what was left behind. Returns how many files failed. give_up_at: on time.monotonic()."""

    def url_of(path):
        return base_url.rstrip("/") + "/" + urllib.parse.quote(path, safe="/")

    return _upload(wire, say, code_folder, collect(code_folder), url_of, give_up_at)


def upload_placed(wire, say, folder, name, place, give_up_at=None):
    """The same of one output in `folder`/`name` that has a place of its own: {baseUrl, query, file?}. Of a file nothing else is taken."""
    found = collect(folder, (name,))
    if place.get("file") is not None:
        wanted = name + "/" + place["file"]
        other = [(path, "The output is a file, %s." % place["file"]) for path, _ in found.files if path != wanted]
        found.refused.extend(other)
        found.files = [one for one in found.files if one[0] == wanted]

    def url_of(path):
        return "%s/%s?%s" % (place["baseUrl"], urllib.parse.quote(path[len(name) + 1:], safe="/"), place["query"])

    return _upload(wire, say, folder, found, url_of, give_up_at)


def _upload(wire, say, folder, found, url_of, give_up_at):
    failed = list(found.refused)
    for path, size in found.files:
        if give_up_at is not None and time.monotonic() > give_up_at:
            failed.append((path, "There was no time left for this and later files."))
            break
        try:
            put_file(wire, os.path.join(folder, path), size, url_of(path), give_up_at)
        except Refused as failure:
            failed.append((path, str(failure)))
        except OSError as failure:
            failed.append((path, failure.strerror or str(failure)))
    left = failed + found.passed_over
    for path, message in left[:MOST_NAMED]:
        say("[not kept: %s: %s]\n" % (json.dumps(_readable(path), ensure_ascii=False), message))
    if len(left) > MOST_NAMED:
        say("[not kept: %d more]\n" % (len(left) - MOST_NAMED))
    return len(failed)


def put_file(wire, path, size, url, give_up_at):
    # Opened before anything is sent: a file that cannot be read is no connection that failed, and another try would not help.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)

    def make_body():
        os.lseek(descriptor, 0, os.SEEK_SET)
        return os.fdopen(os.dup(descriptor), "rb"), size

    headers = {"Content-Type": "application/octet-stream"}
    try:
        wire.exchange("PUT", url, lambda response: response.read(), headers, make_body, give_up_at=give_up_at)
    finally:
        os.close(descriptor)
