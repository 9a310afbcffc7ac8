"""A pytest plugin that writes the outcome of each test as a line of JSON into the file that AIM_OUTCOMES names."""

import json
import os

FILE = open(os.environ["AIM_OUTCOMES"], "w", encoding="utf-8")
_worst = {}
_reasons = {}


def pytest_runtest_logreport(report):
    """A test is its setup, its call and its teardown: failed if one of them is."""
    if report.failed:
        outcome = "failed"
        _reasons.setdefault(report.nodeid, str(getattr(report.longrepr, "reprcrash", None) or report.longrepr)[-600:])
    elif report.skipped:
        outcome = "skipped"
    else:
        outcome = "passed" if report.when == "call" else "none"
    order = ("none", "passed", "skipped", "failed")
    _worst[report.nodeid] = max(_worst.get(report.nodeid, "none"), outcome, key=order.index)
    if report.when == "teardown":
        line = {"test": report.nodeid, "outcome": _worst.pop(report.nodeid), "said": _reasons.pop(report.nodeid, "")}
        FILE.write(json.dumps(line) + "\n")
        FILE.flush()


def pytest_collectreport(report):
    """A file that cannot be read would otherwise be a suite of no tests."""
    if report.failed:
        FILE.write(json.dumps({"test": report.nodeid, "outcome": "failed", "said": str(report.longrepr)[-600:]}) + "\n")
        FILE.flush()
