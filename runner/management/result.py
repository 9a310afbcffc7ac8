"""What a build sends when it is done: one archive, straight into the request, to the place that takes its result once."""
import http.client
import io
import os
import ssl
import tarfile
import urllib.parse

from .pip_wheel import said

CA_FILE = "/run/strongroom/ca.pem"
CHUNK = 256 * 1024


class Failed(Exception):
    """Why there is no environment, in one or two sentences."""


def connect(address):
    context = ssl.create_default_context(cafile=CA_FILE)
    return http.client.HTTPSConnection(address.hostname, address.port or 443, context=context, timeout=300)


class Sink(io.RawIOBase):
    """Where the archive is written to: straight into the request, in chunks."""

    def __init__(self, connection):
        super().__init__()
        self.connection = connection
        self.waiting = bytearray()

    def writable(self):
        return True

    def write(self, data):
        self.waiting += data
        if len(self.waiting) >= CHUNK:
            self.pass_on()
        return len(data)

    def pass_on(self):
        if self.waiting:
            self.connection.send(b"%x\r\n" % len(self.waiting) + bytes(self.waiting) + b"\r\n")
            self.waiting = bytearray()

    def end(self):
        self.pass_on()
        self.connection.send(b"0\r\n\r\n")


def send(token, url, entries):
    """entries: (tarfile.TarInfo, path of its content or None), in the order in which they are wanted. Raises Failed."""
    target = urllib.parse.urlsplit(url)
    connection = connect(target)
    connection.putrequest("PUT", target.path + ("?" + target.query if target.query else ""))
    connection.putheader("Authorization", "Bearer " + token)
    connection.putheader("Content-Type", "application/x-tar")
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    sink = Sink(connection)
    try:
        with tarfile.open(fileobj=sink, mode="w|", format=tarfile.PAX_FORMAT, bufsize=CHUNK) as archive:
            for entry, path in entries:
                if path is None:
                    archive.addfile(entry)
                    continue
                # Never through a link, and never waiting for somebody at the other end.
                with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as source:
                    archive.addfile(entry, source)
        sink.end()
    except OSError:
        pass  # The server ends a request early that it refuses: what it says is the answer.
    try:
        answer = connection.getresponse()
        body = answer.read(64 * 1024)
    except (OSError, http.client.HTTPException) as failure:
        raise Failed("The environment could not be sent: %s" % failure)
    finally:
        connection.close()
    if not 200 <= answer.status < 300:
        raise Failed("The environment was refused: " + said(body))
