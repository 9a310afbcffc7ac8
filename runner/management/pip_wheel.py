"""pip itself, from the package index: the newest of a range that this Python can run, as a wheel that its digest was verified of."""
import hashlib
import json
import os
import re
import sys
import urllib.error
import urllib.parse
import urllib.request
from html.parser import HTMLParser

PIP_AT_LEAST, PIP_BELOW = (22, 3), (27, 0)
MOST_PAGE = 64 * 1024 * 1024
TIMEOUT_SECONDS = 300


class NoPip(Exception):
    """Why there is none, in one or two sentences."""


def get(url):
    """What lies at an address of the door of this sandbox; no proxy is asked, whatever variables say."""
    try:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(urllib.request.Request(url, headers={"Accept": "text/html"}), timeout=TIMEOUT_SECONDS) as answer:
            body = answer.read(MOST_PAGE + 1)
    except urllib.error.HTTPError as refusal:
        raise NoPip("pip could not be fetched: %s" % said(refusal.read(64 * 1024)))
    except OSError as failure:
        raise NoPip("pip could not be fetched: %s" % failure)
    if len(body) > MOST_PAGE:
        raise NoPip("An answer of the package index is too large.")
    return body


def said(body):
    """The message of a refusal, or as much of it as can be shown."""
    try:
        return str(json.loads(body.decode("utf-8"))["error"]["message"])[:500]
    except (ValueError, KeyError, TypeError):
        return body[:200].decode("utf-8", "replace")


class Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.files = []

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        if tag == "a" and found.get("href"):
            self.files.append(found)


def numbers(text):
    return tuple(int(part) for part in text.split("."))


def runs_here(requires, python=None):
    """Of `Requires-Python` what pip itself uses; what is not read is taken as it cannot be had. python: (3, 8), in place of this one."""
    python = python or sys.version_info[:3]
    for bound in filter(None, (part.strip() for part in (requires or "").split(","))):
        found = re.match(r"^(>=|>|<|<=|!=)\s*(\d+(?:\.\d+)*)(\.\*)?$", bound)
        if found is None:
            return False
        operator, wanted = found.group(1), numbers(found.group(2))
        have = python[: len(wanted)]
        fits = {">=": have >= wanted, ">": have > wanted, "<": have < wanted, "<=": have <= wanted, "!=": have != wanted}
        if not fits[operator]:
            return False
    return True


def fetch_pip(index, folder, python=None):
    """index: address of the pages, which ends in a slash. python: what it is to run on, (3, 8), in place of this one. Answers the path
    of the wheel and what it is."""
    page = urllib.parse.urljoin(index, "pip/")
    links = Links()
    links.feed(get(page).decode("utf-8", "replace"))
    best = None
    for link in links.files:
        address, _, fragment = urllib.parse.urljoin(page, link["href"]).partition("#")
        name = urllib.parse.unquote(address.rsplit("/", 1)[-1])
        found = re.match(r"^pip-(\d+(?:\.\d+)+)-py3-none-any\.whl$", name)
        digest = re.match(r"^sha256=([0-9a-f]{64})$", fragment)
        if not found or not digest or "data-yanked" in link or not runs_here(link.get("data-requires-python"), python):
            continue
        version = numbers(found.group(1))
        if PIP_AT_LEAST <= version[:2] < PIP_BELOW and (best is None or version > best[0]):
            best = (version, address, name, digest.group(1))
    if best is None:
        raise NoPip("The package index has no pip between %d.%d and %d.%d for this Python." % (PIP_AT_LEAST + PIP_BELOW))
    if not best[1].startswith(urllib.parse.urljoin(index, "/")):
        raise NoPip("The package index named an address of somebody else.")
    body = get(best[1])
    if hashlib.sha256(body).hexdigest() != best[3]:
        raise NoPip("The package index sent a pip that has not the digest it names.")
    path = os.path.join(folder, best[2])
    with open(path, "wb") as target:
        target.write(body)
    return path, {"name": "pip", "version": ".".join(map(str, best[0])), "file": best[2], "sha256": best[3]}
