"""Brings files in: a list with digests, or everything below a prefix of a blob container.

Promises: bounded count and bytes; a file with a wrong size or digest does not stay; nothing is written outside the
target folder. Runs before any user code, so that nobody can move the folder under it.
"""
import hashlib
import os
import threading
import urllib.parse
import xml.etree.ElementTree

from .outcome import SetupFailed
from .paths import BadPath, below
from .wire import Refused, Short, read_bounded

SNAPSHOT_FILES = 2000
SNAPSHOT_BYTES = 300 * 1024 * 1024
INPUT_FILES = 100000
INPUT_BYTES = 1 << 50
LISTING_BYTES = 16 * 1024 * 1024
LISTING_PAGES = 100
#: Files that are fetched at the same time, each over a connection of its own.
TOGETHER = 4
#: What is read, digested and written at once.
PIECE_BYTES = 1024 * 1024
BLOB_VERSION = {"x-ms-version": "2021-08-06"}


class Bounds:
    """What one folder may receive; counts down."""

    def __init__(self, what, files, total_bytes):
        self.what = what
        self.files = files
        self.bytes = total_bytes
        self._lock = threading.Lock()

    def take_file(self):
        self.files -= 1
        if self.files < 0:
            raise SetupFailed("The %s has too many files." % self.what)

    def take_bytes(self, count):
        with self._lock:
            self.bytes -= count
            left = self.bytes
        if left < 0:
            raise SetupFailed("The %s is too large." % self.what)


def fetch_folder(wire, source, folder, bounds):
    """source: a list of {path, url, sha256?, size?}, or {url} of a blob prefix."""
    os.makedirs(folder, exist_ok=True)
    files = source if isinstance(source, list) else list_blobs(wire, source["url"], bounds)
    for _ in files:
        bounds.take_file()
    together(wire, files, lambda own, entry: fetch_file(own, entry, folder, bounds, wire.token))


def fetch_file(wire, entry, folder, bounds, token):
    """One file of a folder. entry: {path, url, sha256?, size?}."""
    try:
        target = below(folder, entry["path"])
    except BadPath as failure:
        raise SetupFailed("The %s has a bad path. %s" % (bounds.what, failure))
    try:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        download(wire, entry, target, bounds, token=token)
    except FileExistsError:
        raise SetupFailed("The %s has two entries for one path: %s" % (bounds.what, entry["path"]))
    except Refused as failure:
        raise SetupFailed("%s of the %s could not be fetched. %s" % (entry["path"], bounds.what, failure))


def together(wire, entries, act):
    """Acts on all of them, a few at a time. After a failure no further one begins, and the first failure is raised when all have ended."""
    if len(entries) < 2:
        for entry in entries:
            act(wire, entry)
        return
    left, lock, failures = iter(entries), threading.Lock(), []

    def work():
        own = wire.another()
        try:
            while True:
                with lock:
                    entry = None if failures else next(left, None)
                if entry is None:
                    return
                act(own, entry)
        except BaseException as failure:
            with lock:
                failures.append(failure)
        finally:
            own.close()

    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(TOGETHER, len(entries)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def download(wire, entry, target, bounds, headers=None, token=None):
    """Streams one file to `target`, which must not exist. entry: {url, sha256?, size?}."""
    size, sha256 = entry.get("size"), entry.get("sha256")
    if size is not None:
        bounds.take_bytes(int(size))
    # A new file, never through a link.
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)

    def accept(response):
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.ftruncate(descriptor, 0)
        digest, received = hashlib.sha256(), 0
        memory = memoryview(bytearray(PIECE_BYTES if size is None else max(1, min(PIECE_BYTES, int(size)))))
        while True:
            count = response.readinto(memory)
            if not count:
                break
            chunk = memory[:count]
            received += count
            if size is None:
                bounds.take_bytes(len(chunk))
            elif received > int(size):
                raise SetupFailed("A file of the %s is larger than announced." % bounds.what)
            digest.update(chunk)
            try:
                write_all(descriptor, chunk)
            except OSError as failure:
                # Not the connection's fault, so another attempt would not help.
                raise SetupFailed("The %s cannot be kept here: %s." % (bounds.what, failure.strerror))
        if size is not None and received != int(size):
            raise Short("It is shorter than announced.")
        if sha256 is not None and digest.hexdigest() != str(sha256).lower():
            raise SetupFailed("A file of the %s does not have the announced digest." % bounds.what)

    try:
        wire.exchange("GET", entry["url"], accept, headers, token=token)
    except BaseException:
        os.unlink(target)
        raise
    finally:
        os.close(descriptor)


def write_all(descriptor, data):
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view):]


def list_blobs(wire, url, bounds):
    """Entries below https://host/account/container/prefix, with the prefix taken off their paths."""
    parts = urllib.parse.urlsplit(url)
    pieces = parts.path.lstrip("/").split("/", 2)
    if len(pieces) < 2:
        raise SetupFailed("The address of the %s does not name a container." % bounds.what)
    container = "%s://%s/%s/%s" % (parts.scheme, parts.netloc, pieces[0], pieces[1])
    prefix = urllib.parse.unquote(pieces[2]) if len(pieces) > 2 else ""
    marker, entries = "", []
    for _ in range(LISTING_PAGES):
        query = {"restype": "container", "comp": "list", "prefix": prefix, "marker": marker}
        address = container + "?" + urllib.parse.urlencode({key: value for key, value in query.items() if value})
        try:
            body = wire.exchange("GET", address, lambda answer: read_bounded(answer, LISTING_BYTES), BLOB_VERSION)
        except Refused as failure:
            raise SetupFailed("The %s could not be listed. %s" % (bounds.what, failure))
        page = parse_listing(body, bounds)
        for name, size in page["blobs"]:
            inside = name[len(prefix):].lstrip("/") if prefix.endswith("/") or prefix == "" else relative(name, prefix)
            if inside is not None:
                entries.append({"path": inside, "url": container + "/" + urllib.parse.quote(name), "size": size})
        if len(entries) > bounds.files:
            raise SetupFailed("The %s has too many files." % bounds.what)
        marker = page["next"]
        if not marker:
            return entries
    raise SetupFailed("The %s has too many files." % bounds.what)


def relative(name, prefix):
    """The path below a prefix without a closing slash; a blob of exactly that name is a folder of one file."""
    if name == prefix:
        return name.rsplit("/", 1)[-1]
    return name[len(prefix) + 1:] if name.startswith(prefix + "/") else None


def parse_listing(body, bounds):
    # An XML document type is the way to entity expansion; a listing never has one.
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise SetupFailed("The listing of the %s is not a blob listing." % bounds.what)
    try:
        root = xml.etree.ElementTree.fromstring(body)
    except xml.etree.ElementTree.ParseError:
        raise SetupFailed("The listing of the %s is not a blob listing." % bounds.what)
    blobs = []
    for blob in root.iter("Blob"):
        blobs.append((blob.findtext("Name") or "", int(blob.findtext("Properties/Content-Length") or "0")))
    return {"blobs": blobs, "next": root.findtext("NextMarker") or ""}
