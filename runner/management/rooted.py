"""Files in a root that somebody else has made: paths are followed as they will be in it, and nothing leads out of it.

For process 1, while no process of the user's is there: what is looked at does not change before it is used. Nothing here runs
anything of the root.
"""
import errno
import os
import shutil
import stat

from .outcome import SetupFailed

MOST_LINKS = 40
#: What can be unpacked by `ADD`, by how it begins; a tar archive says so later on.
ARCHIVES = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd")
TAR_MAGIC_AT, TAR_MAGIC = 257, b"ustar"


class Unusable(Exception):
    """A path cannot be used so, in words for who wrote the Dockerfile."""


def shown(path):
    return ascii(path)[1:-1][:200]


def leads_to(root, path, make=None):
    """Where the path leads when `root` is the root, every link followed as it will be then; None where that is nothing.

    make: makes a folder that is not there, by where it lies. Raises Unusable for links without end, and for what the system refuses.
    """
    waiting, at, links = path.split("/")[::-1], [], 0
    while waiting:
        part = waiting.pop()
        if part in ("", "."):
            continue
        if part == "..":
            at = at[:-1]
            continue
        real = os.path.join(root, *at, part)
        try:
            mode = os.lstat(real).st_mode
        except FileNotFoundError:
            if make is None:
                return None
            make(real)
            at = at + [part]
            continue
        except OSError as failure:
            raise Unusable("%s: %s" % (shown(path), failure.strerror))
        if stat.S_ISLNK(mode):
            links += 1
            if links > MOST_LINKS:
                raise Unusable("%s: too many links" % shown(path))
            target = os.readlink(real)
            at = [] if target.startswith("/") else at
            waiting.extend(target.split("/")[::-1])
        elif stat.S_ISDIR(mode) or not any(waiting):
            at = at + [part]
        else:
            return None
    return os.path.join(root, *at)


def folder_in(root, path, make=True):
    """Where the folder lies that the path leads to; made where it is not there, or else None."""
    place = leads_to(root, path, (lambda real: _attempt(path, lambda: os.mkdir(real, 0o755))) if make else None)
    if place is not None and os.path.isdir(place):
        return place
    if make:
        raise Unusable("%s is no folder" % shown(path))
    return None


def _attempt(path, act):
    try:
        return act()
    except OSError as failure:
        if failure.errno == errno.ENOSPC:
            raise Unusable("there is no room for %s" % shown(path))
        raise Unusable("%s: %s" % (shown(path), failure.strerror))


def copy_into(context, root, step):
    """One COPY: sources of the context, which is of plain files and folders, to a place in the root."""
    mode = int(step["mode"], 8) if step.get("mode") else 0o644
    to = step["to"]
    for source in step["sources"]:
        real = os.path.join(context, source) if source else context
        if os.path.isdir(real):
            _copy_folder(real, root, to, mode)
            continue
        if step.get("noArchive") and is_archive(real):
            raise Unusable("%s is an archive, which ADD would unpack: COPY it, and unpack it by RUN" % shown(source))
        if step["isFolder"] or folder_in(root, to, make=False) is not None:
            _put(real, folder_in(root, to), os.path.basename(source), mode)
        else:
            folder, name = os.path.split(to)
            _put(real, folder_in(root, folder), name, mode)


def _copy_folder(source, root, to, mode):
    folder_in(root, to)
    for at, folders, names in os.walk(source):
        folders.sort()
        inside = os.path.relpath(at, source)
        folder = folder_in(root, to if inside == "." else to + "/" + inside)
        for name in sorted(names):
            _put(os.path.join(at, name), folder, name, mode)


def _put(source, folder, name, mode):
    """What is there gives way, unless it is a folder; a link is replaced and not followed."""
    target = os.path.join(folder, name)

    def act():
        if os.path.lexists(target):
            if stat.S_ISDIR(os.lstat(target).st_mode):
                raise Unusable("%s is a folder, and a file was to be put there" % shown(name))
            os.unlink(target)
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as output, open(source, "rb") as content:
            shutil.copyfileobj(content, output, 1024 * 1024)
            os.fchmod(output.fileno(), (mode & 0o777) | 0o600)

    _attempt(name, act)


def is_archive(path):
    with open(path, "rb") as source:
        head = source.read(512)
    return head.startswith(ARCHIVES) or head[TAR_MAGIC_AT : TAR_MAGIC_AT + len(TAR_MAGIC)] == TAR_MAGIC


def copy_root(base, root, left_out):
    """All of an unpacked image but what is mounted over. Files of several names stay one."""
    linked = {}
    waiting = [""]
    try:
        while waiting:
            inside = waiting.pop()
            with os.scandir(os.path.join(base, inside)) as entries:
                for entry in entries:
                    path = os.path.join(inside, entry.name)
                    if path in left_out:
                        continue
                    target = os.path.join(root, path)
                    if entry.is_symlink():
                        os.symlink(os.readlink(entry.path), target)
                    elif entry.is_dir(follow_symlinks=False):
                        os.makedirs(target, 0o755, exist_ok=True)
                        waiting.append(path)
                    else:
                        _copy_file(entry, target, linked)
    except OSError as failure:
        if failure.errno == errno.ENOSPC:
            raise SetupFailed("The image that the Dockerfile begins with does not fit into the memory that a build has for files.")
        raise SetupFailed("The image that the Dockerfile begins with cannot be copied: %s." % failure.strerror)


def _copy_file(entry, target, linked):
    status = entry.stat(follow_symlinks=False)
    first = linked.get(status.st_ino) if status.st_nlink > 1 else None
    if first is not None:
        os.link(first, target)
        return
    shutil.copyfile(entry.path, target)
    os.chmod(target, stat.S_IMODE(status.st_mode))
    if status.st_nlink > 1:
        linked[status.st_ino] = target
