"""Keeps MLflow's client signed in to Strongroom for as long as a training runs.

    pip install ./python/strongroom_mlflow
    export MLFLOW_TRACKING_AUTH=strongroom

An access token lasts about an hour; MLflow reads one variable and never asks again. This asks the command line (`strongroom
token`), which renews its saved sign-in, whenever the token at hand is about to end. It uses the standard library alone, keeps
the token in memory, and sends it to the address of MLFLOW_TRACKING_URI and to nowhere else. STRONGROOM_CLI names the command
line where it is not on the path; STRONGROOM_TOKEN_AUDIENCE another audience than the server.
"""

import base64
import json
import os
import shlex
import subprocess
import threading
import time
import urllib.parse

#: A token this close to its end is renewed before it is sent.
MARGIN_SECONDS = 300
#: After a renewal that failed while the old token still holds, so that a server that is away is not asked with every metric.
RETRY_SECONDS = 30
COMMAND_SECONDS = 120


class SignInNeeded(RuntimeError):
    """There is no token, and the command line gives none: somebody must sign in."""


def expiry_of(token):
    """When a token says that it ends, in seconds since 1970; 0 for one that does not say. Not verified: the server does that."""
    try:
        payload = token.split(".")[1]
        return float(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["exp"])
    except (IndexError, ValueError, KeyError, TypeError):
        return 0.0


def ask_command_line():
    """A token from `strongroom token`, which renews what was saved by `strongroom login`."""
    command = [*shlex.split(os.environ.get("STRONGROOM_CLI", "strongroom")), "token"]
    audience = os.environ.get("STRONGROOM_TOKEN_AUDIENCE")
    if audience:
        command += ["--audience", audience]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as failure:
        raise SignInNeeded(f"The command line of Strongroom could not be run ({failure}). Name it in STRONGROOM_CLI.") from None
    token = done.stdout.strip()
    if done.returncode != 0 or not token:
        raise SignInNeeded(f"No token for Strongroom: {done.stderr.strip() or 'the command line gave none'}")
    return token


class Tokens:
    """One token for all threads of a process, renewed before it ends."""

    def __init__(self, ask=ask_command_line, now=time.time):
        self._ask, self._now = ask, now
        self._lock = threading.Lock()
        self._token, self._ends, self._next = None, 0.0, 0.0

    def current(self):
        with self._lock:
            now = self._now()
            if self._token is not None and (now < self._ends - MARGIN_SECONDS or now < self._next):
                return self._token
            try:
                self._token = self._ask()
                self._ends = expiry_of(self._token)
                # One that lasts shorter than the margin is used for most of its life, and not renewed with every request.
                self._next = now + max(1.0, (self._ends - now) * 0.8) if self._ends - now <= MARGIN_SECONDS else 0.0
            except SignInNeeded:
                if self._token is None or now >= self._ends:
                    raise
                self._next = min(now + RETRY_SECONDS, self._ends)
            return self._token


TOKENS = Tokens()


class BearerAuth:
    """What requests calls with each request before it is sent."""

    def __init__(self, tokens):
        self._tokens = tokens

    def __call__(self, request):
        # Artifacts may lie at other addresses: the token is for the tracking server alone.
        tracking = origin_of(os.environ.get("MLFLOW_TRACKING_URI") or tracking_uri())
        if tracking is not None and origin_of(request.url) == tracking:
            request.headers["Authorization"] = f"Bearer {self._tokens.current()}"
        else:
            request.headers.pop("Authorization", None)
        return request


def tracking_uri():
    import mlflow

    return mlflow.get_tracking_uri()


def origin_of(url):
    """Scheme, host and port of an https address; None for anything else."""
    try:
        parts = urllib.parse.urlsplit(url)
        return (parts.scheme, parts.hostname, parts.port or 443) if parts.scheme == "https" and parts.hostname else None
    except ValueError:
        return None


class StrongroomAuth:
    """MLflow's plugin: MLFLOW_TRACKING_AUTH=strongroom."""

    def get_name(self):
        return "strongroom"

    def get_auth(self):
        return BearerAuth(TOKENS)
