"""Relative paths that come from outside. Promises that joining one to a folder stays in the folder."""
import os

LONGEST_PATH = 1024
LONGEST_NAME_BYTES = 255
DEEPEST = 64


class BadPath(ValueError):
    """The message names the rule, not the path, which may hold control characters."""


def checked_parts(path, backslashes=False):
    """Splits a relative path with forward slashes; raises BadPath on anything that could mean something else.

    backslashes: whether names may hold one, as units of systemd do."""
    if not isinstance(path, str) or not path or len(path) > LONGEST_PATH:
        raise BadPath("A path must have 1 to %d characters." % LONGEST_PATH)
    if any(ord(character) < 32 or ord(character) == 127 or 0xD800 <= ord(character) <= 0xDFFF for character in path):
        raise BadPath("A path must not contain control characters or bytes that are not UTF-8.")
    if "\\" in path and not backslashes:
        raise BadPath("A path must use forward slashes.")
    if path.startswith("/"):
        raise BadPath("A path must be relative.")
    parts = path.split("/")
    if len(parts) > DEEPEST:
        raise BadPath("A path must not be deeper than %d folders." % DEEPEST)
    for part in parts:
        if part in ("", ".", ".."):
            raise BadPath("A path must not contain empty, . or .. parts.")
        if len(part.encode("utf-8")) > LONGEST_NAME_BYTES:
            raise BadPath("A name must not be longer than %d bytes." % LONGEST_NAME_BYTES)
    return parts


def below(folder, path):
    """The absolute path of a checked relative path."""
    return os.path.join(folder, *checked_parts(path))
