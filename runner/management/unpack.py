"""The hardened reader of image layers: gzip'd tar from somebody else, unpacked into one folder.

Promises: no absolute path, no .., no link that leaves the folder, nothing but folders, files and links, nothing written through a
link, bounded entries, bytes and compression ratio. What breaks a rule refuses the whole image; nothing is skipped silently.
Must never call tarfile's own extraction, whose rules differ between Python versions.
"""
import errno
import gzip
import os
import stat
import tarfile
import zlib

from .outcome import SetupFailed
from .paths import BadPath, checked_parts

MOST_ENTRIES = 100000
MOST_BYTES = 16 * 1024 ** 3
#: Text compresses tenfold, zeros a thousandfold. Below the floor a ratio says nothing.
MOST_RATIO = 200
RATIO_FLOOR_BYTES = 64 * 1024 * 1024
CHUNK_BYTES = 256 * 1024
WHITEOUT = ".wh."
#: What the readers raise on bytes that are no archive.
UNREADABLE = (tarfile.TarError, zlib.error, EOFError, gzip.BadGzipFile, ValueError, OverflowError)


class Allowance:
    """What is left for all layers of one image together."""

    def __init__(self, entries=MOST_ENTRIES, total_bytes=MOST_BYTES):
        self.entries = entries
        self.bytes = total_bytes

    def take_entry(self):
        self.entries -= 1
        if self.entries < 0:
            raise SetupFailed("The image has too many entries.")

    def take_bytes(self, count):
        self.bytes -= count
        if self.bytes < 0:
            raise SetupFailed("The image is too large when unpacked.")


class _Counted:
    """The decompressed stream; stops a bomb while it unfolds, whatever the headers inside claim."""

    def __init__(self, source, compressed_bytes, allowance):
        self._source = source
        self._produced = 0
        self._ratio_bound = max(RATIO_FLOOR_BYTES, compressed_bytes * MOST_RATIO)
        self._allowance = allowance

    def read(self, count):
        data = self._source.read(count)
        self._produced += len(data)
        self._allowance.take_bytes(len(data))
        if self._produced > self._ratio_bound:
            raise SetupFailed("A layer of the image unpacks to more than %d times its size." % MOST_RATIO)
        return data


def unpack_layer(path, compressed, folder, allowance):
    """Unpacks one layer file over what earlier layers left in `folder`. Raises SetupFailed."""
    try:
        with open(path, "rb") as raw:
            source = gzip.GzipFile(fileobj=raw) if compressed else raw
            counted = _Counted(source, os.path.getsize(path), allowance)
            with tarfile.open(fileobj=counted, mode="r|", format=tarfile.PAX_FORMAT) as archive:
                for member in archive:
                    allowance.take_entry()
                    _place(archive, member, folder)
            # The gzip check sum stands at the end, after what a tar reader looks at.
            while counted.read(CHUNK_BYTES):
                pass
    except BadPath as failure:
        raise SetupFailed("A layer of the image has a bad path. %s" % failure)
    except UNREADABLE as failure:
        raise SetupFailed("A layer of the image is not a readable archive: %s" % type(failure).__name__)
    except OSError as failure:
        if failure.errno == errno.ENOSPC:
            raise SetupFailed("The image does not fit into the scratch space of the deployment.")
        raise SetupFailed("A layer of the image cannot be unpacked: %s." % failure.strerror)


def _place(archive, member, folder):
    name = member.name
    while name.startswith("./"):
        name = name[2:]
    name = name.rstrip("/") if member.isdir() else name
    if member.isdir() and name in ("", "."):
        return
    parts = checked_parts(name)
    if any(part.startswith(WHITEOUT) for part in parts):
        raise SetupFailed("A layer of the image deletes files of another (whiteout), which is not supported.")
    target = os.path.join(_real_folder(folder, parts[:-1]), parts[-1])
    if member.isdir():
        _real_folder(folder, parts)
    elif member.issym():
        checked_link(member.linkname, len(parts) - 1)
        _clear(target)
        os.symlink(member.linkname, target)
    elif member.islnk():
        _link(folder, member.linkname, target)
    elif member.isreg() and not member.issparse():
        _clear(target)
        _write(archive, member, target)
    else:
        raise SetupFailed("A layer of the image has an entry that is neither a file, a folder nor a link.")


def checked_link(target, depth):
    """A symbolic link may climb first and descend then, never climb again: `..` after a name could follow another link out.

    depth: how many folders below the root the link lies in."""
    if target.startswith("/"):
        raise SetupFailed("A link in the image is absolute.")
    parts = target.split("/")
    climbs = 0
    while parts and parts[0] in ("..", "."):
        climbs += parts.pop(0) == ".."
    if climbs > depth:
        raise SetupFailed("A link in the image leaves the image.")
    if parts:
        checked_parts("/".join(parts).rstrip("/"))
    elif climbs == 0:
        raise SetupFailed("A link in the image points to itself.")


def _real_folder(root, parts):
    """The path of a folder, made if absent; each step must be a folder itself, not a link to one."""
    path = root
    for part in parts:
        path = os.path.join(path, part)
        try:
            os.mkdir(path, 0o755)
        except FileExistsError:
            if not stat.S_ISDIR(os.lstat(path).st_mode):
                raise SetupFailed("A layer of the image writes through a link or a file.")
    return path


def _clear(target):
    """Makes room for an entry that an earlier layer has too; a folder is never replaced."""
    try:
        status = os.lstat(target)
    except FileNotFoundError:
        return
    if stat.S_ISDIR(status.st_mode):
        raise SetupFailed("A layer of the image replaces a folder.")
    os.unlink(target)


def _link(folder, linkname, target):
    while linkname.startswith("./"):
        linkname = linkname[2:]
    parts = checked_parts(linkname)
    source = os.path.join(_existing_folder(folder, parts[:-1]), parts[-1])
    if not os.path.lexists(source) or not stat.S_ISREG(os.lstat(source).st_mode):
        raise SetupFailed("A hard link in the image does not lead to a file of the image.")
    if os.path.lexists(target) and os.path.samefile(source, target):
        return
    _clear(target)
    os.link(source, target, follow_symlinks=False)


def _existing_folder(root, parts):
    path = root
    for part in parts:
        path = os.path.join(path, part)
        if not os.path.lexists(path) or not stat.S_ISDIR(os.lstat(path).st_mode):
            raise SetupFailed("A hard link in the image does not lead to a file of the image.")
    return path


def _write(archive, member, target):
    # Set-uid, set-gid and sticky bits stay behind; the owner can always read what he unpacked.
    mode = (member.mode & 0o755) | 0o600
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with os.fdopen(descriptor, "wb") as output:
        source = archive.extractfile(member)
        while True:
            chunk = source.read(CHUNK_BYTES)
            if not chunk:
                break
            output.write(chunk)
