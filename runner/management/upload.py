"""Takes what a job left in ./outputs and ./logs to the artifacts of its run.

Promises: regular files only, no link is followed, bounded count and bytes, streamed. Runs after the last user process
has ended, so that a file cannot become something else between looking and reading.
"""
import os
import stat
import time
import urllib.parse

from .paths import BadPath, checked_parts
from .wire import Refused

MOST_FILES = 2000
MOST_BYTES = 5 * 1024 ** 3
FOLDERS = ("outputs", "logs")


def collect(code_folder):
    """(relative path, size) of every file to upload, and (path, message) of what is left behind."""
    files, refused, total = [], [], 0
    for top in FOLDERS:
        root = os.path.join(code_folder, top)
        if os.path.islink(root) or not os.path.isdir(root):
            continue
        for folder, folders, names in os.walk(root, followlinks=False):
            folders.sort()
            for name in sorted(names):
                path = os.path.relpath(os.path.join(folder, name), code_folder)
                status = os.lstat(os.path.join(folder, name))
                if not stat.S_ISREG(status.st_mode):
                    continue
                try:
                    checked_parts(path)
                except BadPath as failure:
                    refused.append((path.encode("utf-8", "backslashreplace").decode("utf-8"), str(failure)))
                    continue
                total += status.st_size
                if len(files) == MOST_FILES or total > MOST_BYTES:
                    refused.append((path, "More than %d files or %d GiB." % (MOST_FILES, MOST_BYTES >> 30)))
                    return files, refused
                files.append((path, status.st_size))
    return files, refused


def upload_outputs(wire, reporter, code_folder, base_url, give_up_at=None):
    """Uploads; reports an event for each file that failed. Returns how many did. give_up_at: on time.monotonic()."""
    files, refused = collect(code_folder)
    for path, message in refused:
        reporter.event("upload_failed", path=path, message=message)
    failures = len(refused)
    for path, size in files:
        if give_up_at is not None and time.monotonic() > give_up_at:
            reporter.event("upload_failed", path=path, message="There was no time left for this and later files.")
            return failures + 1
        url = base_url.rstrip("/") + "/" + urllib.parse.quote(path, safe="/")
        try:
            put_file(wire, os.path.join(code_folder, path), size, url, give_up_at)
        except (Refused, OSError) as failure:
            failures += 1
            reporter.event("upload_failed", path=path, message=str(failure))
    return failures


def put_file(wire, path, size, url, give_up_at):
    def make_body():
        return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb"), size

    headers = {"Content-Type": "application/octet-stream"}
    wire.exchange("PUT", url, lambda response: response.read(), headers, make_body, give_up_at=give_up_at)
