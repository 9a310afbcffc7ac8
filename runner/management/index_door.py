"""The package index for what runs in a sandbox: a door on the loopback, which pip asks without a credential.

What is asked for is handed on to Strongroom by the socket that everything goes by, over TLS and with the token of the job. Promises that
nothing but pages and files of that one index is asked for, and that no argument, variable or file holds a token for it: pip shows the
address of its index to what it starts, as an argument that every user of a host can read.
"""
import asyncio
import re
import socket
import ssl
import threading
import urllib.parse

MOST_AT_ONCE = 32
HEAD_BYTES = 16 * 1024
HEAD_SECONDS = 30
CHUNK_BYTES = 64 * 1024
#: As the surface has them; what of it may be had is decided there.
WANTED = re.compile(
    rb"^GET /(simple/[A-Za-z0-9._-]{1,128}/?|files/[A-Za-z0-9._-]{1,128}/[0-9a-f]{64}/[A-Za-z0-9._+!%-]{1,300}) HTTP/1\.[01]\r\n"
)
SETTINGS = {"PIP_NO_CACHE_DIR": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", "PIP_PROGRESS_BAR": "off"}


def settings_of_pip(port):
    return dict(SETTINGS, PIP_INDEX_URL="http://127.0.0.1:%d/simple/" % port)


def open_door(index, wire, ca_file, socket_path):
    """Serves it in a daemon thread; answers its port. index: https://localhost:8443/packages/…, below which the pages and files lie."""
    parts = urllib.parse.urlsplit(index)
    context = ssl.create_default_context(cafile=ca_file)

    def connect():
        return asyncio.open_unix_connection(socket_path, ssl=context, server_hostname=parts.hostname)

    return serve(lambda: wire.token, parts, connect)


def serve(token, parts, connect):
    """token: a function, because it is renewed. connect: opens the streams to Strongroom."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=MOST_AT_ONCE)

    async def run():
        door = _Door(token, parts, connect)
        server = await asyncio.start_server(door.answer, sock=listener, limit=HEAD_BYTES)
        async with server:
            await server.serve_forever()

    threading.Thread(target=lambda: asyncio.run(run()), daemon=True).start()
    return listener.getsockname()[1]


class _Door:
    def __init__(self, token, parts, connect):
        self._token, self._parts, self._connect = token, parts, connect
        self._room = asyncio.Semaphore(MOST_AT_ONCE)

    async def answer(self, reader, writer):
        try:
            async with self._room:
                await self._answer(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError, ssl.SSLError):
            pass  # whoever asked sees a connection that ends, as from an index that is away
        finally:
            writer.close()

    async def _answer(self, reader, writer):
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), HEAD_SECONDS)
        except asyncio.LimitOverrunError:
            head = b""
        wanted = WANTED.match(head)
        if wanted is None:
            return await _refuse(writer)
        far_reader, far_writer = await self._connect()
        try:
            lines = (
                "GET %s/%s HTTP/1.1" % (self._parts.path, wanted.group(1).decode("ascii")),
                "Host: " + self._parts.netloc,
                "Authorization: Bearer " + self._token(),
                "Accept: text/html, */*",
                "Connection: close",
            )
            far_writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("ascii"))
            await far_writer.drain()
            # The answer passes as it is: it says itself how long it is, and that nothing follows it.
            while True:
                data = await far_reader.read(CHUNK_BYTES)
                if not data:
                    break
                writer.write(data)
                await writer.drain()
        finally:
            far_writer.close()


async def _refuse(writer):
    body = b"Only pages and files of the package index are answered here: /simple/PROJECT/.\n"
    writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body)
    await writer.drain()
