"""The hardened reader of image layers: gzip'd tar from somebody else, unpacked into one folder, each over those before it.

Promises: no absolute path, no .., no link that leaves the folder, nothing but folders, files and links, nothing written through a
link, bounded entries, bytes and compression ratio. What breaks a rule refuses the whole image; nothing is skipped silently.
An image that becomes a root may hold links that are absolute or climb: inside they lead nowhere else, and nothing here follows one.
Must never call tarfile's own extraction, whose rules differ between Python versions.
"""
import errno
import gzip
import os
import shutil
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
#: Hides whatever earlier layers have in its folder.
OPAQUE = ".wh..wh..opq"
LONGEST_LINK = 4095
#: What the readers raise on bytes that are no archive.
UNREADABLE = (tarfile.TarError, zlib.error, EOFError, gzip.BadGzipFile, ValueError, OverflowError)


class TooLarge(SetupFailed):
    """With more room it might fit."""


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
            raise TooLarge("The image is too large when unpacked.")


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


def unpack_layer(path, compressed, folder, allowance, is_root=False):
    """Unpacks one layer file over what earlier layers left in `folder`. Raises SetupFailed.

    is_root: the folder becomes the root of whatever looks into it."""
    try:
        with open(path, "rb") as raw:
            source = gzip.GzipFile(fileobj=raw) if compressed else raw
            counted = _Counted(source, os.path.getsize(path), allowance)
            with tarfile.open(fileobj=counted, mode="r|", format=tarfile.PAX_FORMAT) as archive:
                layer = _Layer(archive, folder, is_root)
                for member in archive:
                    allowance.take_entry()
                    layer.place(member)
            # The gzip check sum stands at the end, after what a tar reader looks at.
            while counted.read(CHUNK_BYTES):
                pass
    except BadPath as failure:
        raise SetupFailed("A layer of the image has a bad path. %s" % failure)
    except UNREADABLE as failure:
        raise SetupFailed("A layer of the image is not a readable archive: %s" % type(failure).__name__)
    except OSError as failure:
        if failure.errno == errno.ENOSPC:
            raise TooLarge("The image does not fit into the scratch space that there is for it.")
        raise SetupFailed("A layer of the image cannot be unpacked: %s." % failure.strerror)


class _Layer:
    """One layer while it is laid over the earlier ones. Remembers what it brought: it deletes and replaces only what they did."""

    def __init__(self, archive, folder, is_root):
        self._archive = archive
        self._folder = folder
        self._is_root = is_root
        self._placed = set()

    def place(self, member):
        name = member.name
        while name.startswith("./"):
            name = name[2:]
        name = name.rstrip("/") if member.isdir() else name
        if member.isdir() and name in ("", "."):
            return
        parts = checked_parts(name, backslashes=self._is_root)
        if any(part.startswith(WHITEOUT) for part in parts):
            return self._hide(member, parts)
        target = os.path.join(self._parent(parts), parts[-1])
        if member.isdir():
            self._make_room(target, parts, keeps_folder=True)
            if not os.path.lexists(target):
                os.mkdir(target, 0o755)
        elif member.issym():
            if self._is_root:
                if not 0 < len(os.fsencode(member.linkname)) <= LONGEST_LINK or "\0" in member.linkname:
                    raise SetupFailed("A link in the image leads to what is no path.")
            else:
                checked_link(member.linkname, len(parts) - 1)
            self._make_room(target, parts)
            os.symlink(member.linkname, target)
        elif member.islnk():
            self._link(member.linkname, target, parts)
        elif member.isreg() and not member.issparse():
            self._make_room(target, parts)
            _write(self._archive, member, target)
        else:
            raise SetupFailed("A layer of the image has an entry that is neither a file, a folder nor a link.")
        self._placed.add(tuple(parts))

    def _parent(self, parts):
        folders = parts[:-1]
        self._placed.update(tuple(folders[:depth]) for depth in range(1, len(folders) + 1))
        return _real_folder(self._folder, folders)

    def _make_room(self, target, parts, keeps_folder=False):
        """A later layer replaces what an earlier one has, whatever it is; within one layer no folder is replaced."""
        try:
            is_folder = stat.S_ISDIR(os.lstat(target).st_mode)
        except FileNotFoundError:
            return
        if is_folder and keeps_folder:
            return
        if not is_folder and not (keeps_folder and tuple(parts) in self._placed):
            os.unlink(target)
        elif is_folder and tuple(parts) not in self._placed:
            shutil.rmtree(target)
        else:
            raise SetupFailed("A layer of the image replaces a folder or makes one of a file.")

    def _hide(self, member, parts):
        """A whiteout: what earlier layers have is gone, what this one brought stays, wherever in the layer the whiteout stands."""
        name = parts[-1]
        if not member.isreg() or member.size or any(part.startswith(WHITEOUT) for part in parts[:-1]):
            raise SetupFailed("A layer of the image has a whiteout that is not an empty file.")
        if name == OPAQUE:
            return self._uncover(self._parent(parts), parts[:-1])
        hidden = parts[:-1] + [name[len(WHITEOUT):]]
        if hidden[-1] in ("", ".", "..") or hidden[-1].startswith(WHITEOUT):
            raise SetupFailed("A layer of the image has a whiteout that names nothing.")
        # The folder may be known by nothing but this: then there is nothing to hide, and making it would show it.
        folder = _lookup(self._folder, hidden[:-1])
        if folder is not None and os.path.lexists(os.path.join(folder, hidden[-1])):
            self._remove(folder, hidden)

    def _remove(self, folder, parts):
        path = os.path.join(folder, parts[-1])
        is_folder = stat.S_ISDIR(os.lstat(path).st_mode)
        if tuple(parts) not in self._placed:
            shutil.rmtree(path) if is_folder else os.unlink(path)
        elif is_folder:
            self._uncover(path, parts)

    def _uncover(self, folder, parts):
        for name in os.listdir(folder):
            self._remove(folder, parts + [name])

    def _link(self, linkname, target, parts):
        while linkname.startswith("./"):
            linkname = linkname[2:]
        if self._is_root:
            linkname = linkname.lstrip("/")
        of = checked_parts(linkname, backslashes=self._is_root)
        folder = _lookup(self._folder, of[:-1])
        source = folder and os.path.join(folder, of[-1])
        kind = os.lstat(source).st_mode if source and os.path.lexists(source) else 0
        if not stat.S_ISREG(kind) and not (self._is_root and stat.S_ISLNK(kind)):
            raise SetupFailed("A hard link in the image does not lead to a file of the image.")
        if os.path.lexists(target) and os.path.samestat(os.lstat(source), os.lstat(target)):
            return
        self._make_room(target, parts)
        os.link(source, target, follow_symlinks=False)


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


def _lookup(root, parts):
    """The path of a folder that is there, not by way of a link; None otherwise."""
    path = root
    for part in parts:
        path = os.path.join(path, part)
        if not os.path.lexists(path) or not stat.S_ISDIR(os.lstat(path).st_mode):
            return None
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
