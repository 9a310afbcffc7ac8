"""HTTPS to Strongroom: one connection that is reused, verified against the CA that came with the sandbox.

Promises: https to Strongroom's own port only; no redirect is followed (it would carry the token elsewhere), no proxy
variable is read; bodies are streamed. Transport errors and 5xx answers are retried with growing pauses.
"""
import http.client
import json
import random
import socket
import ssl
import time
import urllib.parse

from .outcome import SetupFailed

ATTEMPTS = 5
TIMEOUT_SECONDS = 60
ERROR_BYTES = 4096
RETRIED_STATUSES = frozenset((408, 429, 500, 502, 503, 504))


class Refused(Exception):
    """Strongroom answered, and not with success; or never answered. `status` is None when it never did."""

    def __init__(self, message, status=None):
        super().__init__(message)
        self.status = status


class Short(Refused):
    """An answer that ended early: the connection broke, and another attempt may bring all of it."""


class Connection(http.client.HTTPSConnection):
    """By the agent's socket itself, where there is one: the loopback port, which user code has, carries every byte once more. Or to
    an address, where what the name of the server leads to is known and is not here."""

    def __init__(self, host, port, socket_path, context, address=None):
        super().__init__(host, port, context=context, timeout=TIMEOUT_SECONDS)
        self._socket_path = socket_path
        self._address = address
        self._tls = context

    def connect(self):
        if self._socket_path is None and self._address is None:
            super().connect()
            return
        plain = self._plain()
        try:
            self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)
        except BaseException:
            plain.close()
            raise

    def _plain(self):
        if self._socket_path is None:
            return socket.create_connection(self._address, self.timeout)
        plain = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            plain.settimeout(self.timeout)
            plain.connect(self._socket_path)
        except BaseException:
            plain.close()
            raise
        return plain


class Wire:
    """Not for several threads at once, except for `token`, which may be replaced at any time."""

    def __init__(self, ca_file, port, token=None, pause=time.sleep, socket_path=None, ca_pem=None, address=None):
        self._context = ssl.create_default_context(cafile=ca_file, cadata=ca_pem)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._port = port
        self._socket_path = socket_path
        self._address = address
        self._pause = pause
        self._connection = None
        self._host = None
        self.token = token

    def another(self):
        """To the same server with a connection of its own, for another thread. It has no token."""
        other = Wire.__new__(Wire)
        other.__dict__.update(self.__dict__, _connection=None, _host=None, token=None)
        return other

    def exchange(self, method, url, accept, headers=None, make_body=None, token=None, give_up_at=None, attempts=ATTEMPTS):
        """Sends a request and hands the successful response to `accept`, which must read it to its end.

        make_body: returns (file object, length) anew for each attempt. token: instead of the wire's own.
        give_up_at: on time.monotonic(); no attempt starts later. Raises Refused.
        """
        host, target = self._split(url)
        problem = Refused("There was no time left.")
        for attempt in range(attempts):
            if attempt > 0:
                self._pause(0.25 * 2 ** attempt * (0.5 + random.random()))
            if give_up_at is not None and time.monotonic() > give_up_at:
                break
            try:
                response = self._send(host, method, target, headers or {}, make_body, token or self.token)
                if 200 <= response.status < 300:
                    return accept(response)
                problem = Refused("Strongroom answered %d%s" % (response.status, _said(response)), response.status)
                # The connection is given up with the answer: an error body of unknown length is not worth reading whole.
                self.close()
                if response.status not in RETRIED_STATUSES:
                    break
            except ssl.SSLCertVerificationError as failure:
                self.close()
                raise Refused("Strongroom's certificate was not accepted: %s" % failure.verify_message)
            except Short as failure:
                self.close()
                problem = failure
            except (OSError, http.client.HTTPException) as failure:
                self.close()
                problem = Refused("The connection failed: %s" % (failure or type(failure).__name__))
        raise problem

    def close(self):
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _split(self, url):
        parts = urllib.parse.urlsplit(url)
        if parts.scheme != "https" or not parts.hostname or (parts.port or 443) != self._port or "@" in parts.netloc:
            raise SetupFailed("An address in the document is not one of Strongroom's.")
        target = parts.path or "/"
        return parts.hostname, target + ("?" + parts.query if parts.query else "")

    def _send(self, host, method, target, headers, make_body, token):
        if self._connection is not None and self._host != host:
            self.close()
        if self._connection is None:
            self._connection = Connection(host, self._port, self._socket_path, self._context, self._address)
            self._host = host
        sent = dict(headers)
        if token:
            sent["Authorization"] = "Bearer " + token
        if make_body is None:
            self._connection.request(method, target, headers=sent)
        else:
            body, length = make_body()
            with body:
                sent["Content-Length"] = str(length)
                self._connection.request(method, target, body=body, headers=sent)
        return self._connection.getresponse()


def _said(response):
    """The sentence of an error, for the log: `.` where there is none. What a stranger sent is shown as text that can be shown."""
    try:
        error = json.loads(response.read(ERROR_BYTES).decode("utf-8"))
        text = (error.get("error") or error).get("message")
    except (OSError, http.client.HTTPException, ValueError, AttributeError):
        return "."
    if not isinstance(text, str) or not text:
        return "."
    return ": " + "".join(character if character.isprintable() else " " for character in text)


def read_bounded(response, most_bytes):
    """The whole body, refused when it is longer than `most_bytes`."""
    data = response.read(most_bytes + 1)
    if len(data) > most_bytes:
        response.close()
        raise SetupFailed("An answer of Strongroom is larger than expected.")
    return data
