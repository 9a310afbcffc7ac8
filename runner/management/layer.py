"""What a root differs by from what it began as: the layer of an image.

Promises that nothing is followed, that what cannot be kept is named, and that entries, bytes and depth are bounded: commands of
strangers have made what is looked at here. A file whose inode and time of change are what they were has not been touched; any other
is compared with what it was, byte by byte.
"""
import os
import re
import stat
import tarfile

from .paths import BadPath, checked_parts
from .result import Failed
from .root import INTERPRETER, MOUNTED_FILES, MOUNTED_FOLDERS
from .rooted import shown

#: As many as the server takes, and as are unpacked where it is used.
MOST_ENTRIES = 200000
MOST_OF_ENVIRONMENT = 90000
MOST_BYTES = 5 * 1024 ** 3
#: Of one folder, and of all that are looked at.
MOST_LOOKED_AT = 1000000
MOST_NAMED = 20
CHUNK = 1024 * 1024
WHITEOUT = ".wh."
OWN_LINK = re.compile(r"^env/bin/python[0-9.]*$")
#: A sandbox has these for itself, whatever an image has there.
MOUNTED = frozenset(name for name in MOUNTED_FOLDERS if name != "etc") | frozenset(MOUNTED_FILES)


class Layer:
    def __init__(self, root, base=None):
        """base: the unpacked image that the root was copied from; None: the root is the node's own, and only what is new in it counts."""
        self.root, self.base = root, base
        self.device = os.lstat(root).st_dev
        self.before = {}
        for path, status in self._walk():
            self.before[path] = (status.st_ino, status.st_ctime_ns, stat.S_ISDIR(status.st_mode))
        self.children = {}
        if base is None:
            for path in self.before:
                self.children.setdefault(os.path.dirname(path), set()).add(os.path.basename(path))

    def _walk(self):
        """Every entry of the root but what is mounted in it, and what is below that."""
        waiting, looked = [""], 0
        while waiting:
            inside = waiting.pop()
            with os.scandir(os.path.join(self.root, inside)) as entries:
                for entry in entries:
                    looked += 1
                    if looked > MOST_LOOKED_AT:
                        raise Failed("The root of the build has more than %d files." % MOST_LOOKED_AT)
                    path = os.path.join(inside, entry.name)
                    status = os.lstat(os.path.join(self.root, path))
                    if status.st_dev != self.device or path in MOUNTED:
                        continue
                    yield path, status
                    if stat.S_ISDIR(status.st_mode):
                        self._open(path, status)
                        waiting.append(path)

    def _open(self, path, status):
        """Whoever made it may have shut it."""
        if status.st_mode & 0o700 != 0o700:
            os.chmod(os.path.join(self.root, path), stat.S_IMODE(status.st_mode) | 0o700)

    def entries(self, say):
        """(TarInfo, path of the content or None), in byte order of their paths. Raises Failed."""
        found, total, lost = {}, 0, 0
        try:
            for path, status in self._walk():
                kind = status.st_mode
                if not (stat.S_ISDIR(kind) or stat.S_ISLNK(kind) or stat.S_ISREG(kind)):
                    lost += 1
                    if lost <= MOST_NAMED:
                        say("not kept: /%s is neither a file, a folder nor a link" % shown(path))
                    continue
                if self._is_as_before(path, status):
                    continue
                entry = self._entry(path, status)
                if entry is None:
                    continue
                found[path] = entry
                total += entry.size
                self._check_bounds(len(found), total)
            for path in self._gone():
                folder, name = os.path.split(path)
                entry = tarfile.TarInfo(os.path.join(folder, WHITEOUT + name))
                found[entry.name] = entry
                self._check_bounds(len(found), total)
        except OSError as failure:
            raise Failed("The root of the build cannot be read: %s." % failure.strerror)
        say("%d files, folders and links, %d bytes differ from what the build began with" % (len(found), total))
        for path in sorted(found, key=os.fsencode):
            entry = found[path]
            yield entry, os.path.join(self.root, path) if entry.isreg() and entry.size else None

    def _check_bounds(self, entries, total):
        most = MOST_ENTRIES if self.base else MOST_OF_ENVIRONMENT
        if entries > most or total > MOST_BYTES:
            raise Failed("The Dockerfile adds more than %d files or %d GiB." % (most, MOST_BYTES >> 30))

    def _entry(self, path, status):
        try:
            checked_parts(path, backslashes=bool(self.base))
        except BadPath as failure:
            raise Failed("The Dockerfile has made /%s, which no image can hold. %s" % (shown(path), failure))
        if any(part.startswith(WHITEOUT) for part in path.split("/")):
            raise Failed("The Dockerfile has made /%s: such names delete files in images." % shown(path))
        entry = tarfile.TarInfo(path)
        if stat.S_ISDIR(status.st_mode):
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
        elif stat.S_ISLNK(status.st_mode):
            target = os.readlink(os.path.join(self.root, path))
            if self.base is None:
                if OWN_LINK.match(path) and target == INTERPRETER:
                    return None
                target = self._within(path, target)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
        else:
            entry.size, entry.mode = status.st_size, 0o755 if status.st_mode & 0o100 else 0o644
            os.chmod(os.path.join(self.root, path), 0o700)
        return entry

    def _within(self, path, target):
        """As it leads there where the environment lies below another root: by way of the folder that it is in."""
        if target in (INTERPRETER, INTERPRETER + "3"):
            target = "/env/bin/python"
        if not target.startswith("/"):
            return target
        inside = os.path.normpath(target).lstrip("/")
        if inside.split("/")[0] in self.children.get("", ()):
            raise Failed("The link /%s leads to %s, which is the node's and not of the image." % (shown(path), shown(target)))
        return os.path.relpath("/" + inside, "/" + os.path.dirname(path))

    def _is_as_before(self, path, status):
        before = self.before.get(path)
        if before is None:
            return False
        if stat.S_ISDIR(status.st_mode):
            return before[2]
        if before[:2] == (status.st_ino, status.st_ctime_ns):
            return True
        return self.base is not None and self._is_same(path, status)

    def _is_same(self, path, status):
        here, there = os.path.join(self.root, path), os.path.join(self.base, path)
        was = os.lstat(there)
        if stat.S_IFMT(was.st_mode) != stat.S_IFMT(status.st_mode):
            return False
        if stat.S_ISLNK(was.st_mode):
            return os.readlink(here) == os.readlink(there)
        if was.st_size != status.st_size or (was.st_mode ^ status.st_mode) & 0o100:
            return False
        os.chmod(here, stat.S_IMODE(status.st_mode) | 0o600)
        with open(os.open(here, os.O_RDONLY | os.O_NOFOLLOW), "rb") as one, open(there, "rb") as other:
            while True:
                chunk = one.read(CHUNK)
                if chunk != other.read(CHUNK):
                    return False
                if not chunk:
                    return True

    def _gone(self):
        """What was there and is not any more; of a folder that is gone, the folder alone."""
        for path in self.before:
            if os.path.lexists(os.path.join(self.root, path)):
                continue
            folder = os.path.dirname(path)
            if folder and not self._is_folder(folder):
                continue
            if self.base is None:
                raise Failed("The Dockerfile takes away /%s, which is the node's and not of the image." % shown(path))
            yield path

    def _is_folder(self, path):
        try:
            return stat.S_ISDIR(os.lstat(os.path.join(self.root, path)).st_mode)
        except OSError:
            return False
