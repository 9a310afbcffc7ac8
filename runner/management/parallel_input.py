"""The input of a parallel step, in the mini-batches that its function is given: files, or the rows of a table.

Everything is in one order, so that the same input is the same mini-batches. Tables are read by the package mltable of the environment.
"""
import json
import os
import re

DEFAULT_FILES = 10
DEFAULT_TABLE_BYTES = 1024 * 1024
TABLE_FILE = "MLTable"


class Wrong(Exception):
    """What cannot be done, in words for the log."""


def files_of(place, is_table):
    """Every file below it, in one order; of a table those that it names."""
    if os.path.isfile(place):
        return [place]
    kept = of_table(os.path.join(place, TABLE_FILE)) if is_table else None
    found = []
    for folder, folders, names in os.walk(place):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(folder, name)
            relative = os.path.relpath(path, place)
            if kept is None or (relative != TABLE_FILE and any(pattern.match(relative) for pattern in kept)):
                found.append(path)
    return found


def of_table(path):
    """The paths of an MLTable file: a list of one word each. Anything else needs the reader of tables."""
    patterns, within = [], False
    with open(path, encoding="utf-8") as source:
        for line in source:
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            item = re.match(r"^\s*-\s*(file|folder|pattern)\s*:\s*(.+?)\s*$", line)
            if within and item:
                patterns.append(pattern_of(item.group(1), item.group(2).strip("\"'")))
            elif re.match(r"^\S", line):
                within = line.startswith("paths:")
                if within and line.strip() != "paths:":
                    raise Wrong("The paths of the file MLTable are read as a list, one file, folder or pattern a line.")
            elif within:
                raise Wrong("The paths of the file MLTable hold '%s', which is no file, folder or pattern." % line.strip()[:100])
    if not patterns:
        raise Wrong("The file MLTable names no paths.")
    return patterns


def pattern_of(kind, said):
    word = said[2:] if said.startswith("./") else said
    if "://" in word or word.startswith("/") or ".." in word.split("/"):
        raise Wrong("The file MLTable names '%s': only what lies beside it is here." % said[:100])
    if kind == "file":
        return re.compile(re.escape(word) + r"\Z")
    if kind == "folder":
        return re.compile(re.escape(word.rstrip("/")) + r"/.*\Z", re.S)
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", word)
    means = {"**/": r"(?:.*/)?", "**": r".*", "*": r"[^/]*", "?": r"[^/]"}
    return re.compile("".join(means.get(part) or re.escape(part) for part in parts) + r"\Z", re.S)


def batches_of_files(plan, place):
    files = files_of(place, plan["type"] == "mltable")
    size = plan.get("size") or DEFAULT_FILES
    return [{"files": files[at : at + size], "items": len(files[at : at + size])} for at in range(0, len(files), size)]


def split(plan, place, folder):
    try:
        import mltable
    except ImportError:
        raise Wrong("A table (an mltable of the mode direct) is read by the package mltable, and the environment has none: name mltable and pandas in its conda file.")
    frame = mltable.load(place).to_pandas_dataframe()
    keys = plan.get("keys") or []
    missing = [key for key in keys if key not in frame.columns]
    if missing:
        raise Wrong("The table has no column %s, which partition_keys names." % ", ".join(missing)[:200])
    if keys:
        pieces = ((dict(zip(keys, key if isinstance(key, tuple) else (key,))), part) for key, part in frame.groupby(keys if len(keys) > 1 else keys[0]))
    else:
        size = plan.get("size") or DEFAULT_TABLE_BYTES
        stored = sum(os.path.getsize(path) for path in files_of(place, False) if os.path.basename(path) != TABLE_FILE)
        rows = max(1, int(size * len(frame) / max(1, stored)))
        pieces = ((None, frame.iloc[at : at + rows]) for at in range(0, len(frame), rows))
    with open(os.path.join(folder, "pieces"), "w", encoding="utf-8") as target:
        for number, (key, part) in enumerate(pieces):
            path = os.path.join(folder, "%d.pickle" % number)
            part.reset_index(drop=True).to_pickle(path)
            target.write(json.dumps({"piece": path, "items": len(part), "key": key}, default=plain) + "\n")


def plain(value):
    """A number of numpy as one of Python; anything else as text."""
    return value.item() if hasattr(value, "item") else str(value)
