"""Carries bytes from a loopback port to the agent's socket, so that Strongroom's own URL works inside the sandbox.

TLS stays end to end: only bytes pass here. One thread serves all connections, because threads count against the
user's process limit, and a user at the limit must still be able to log a metric.
"""
import asyncio
import socket
import threading

from .outcome import SetupFailed

MOST_CONNECTIONS = 256
CHUNK_BYTES = 64 * 1024


async def _pump(reader, writer):
    try:
        while True:
            data = await reader.read(CHUNK_BYTES)
            if not data:
                break
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except (OSError, RuntimeError):
        writer.close()


async def _serve(listener, socket_path):
    room = asyncio.Semaphore(MOST_CONNECTIONS)

    async def connection(near_reader, near_writer):
        far_writer = None
        try:
            async with room:
                far_reader, far_writer = await asyncio.open_unix_connection(socket_path)
                await asyncio.gather(_pump(near_reader, far_writer), _pump(far_reader, near_writer))
        except OSError:
            pass  # the caller sees a closed connection, which is what a server that is away looks like
        finally:
            near_writer.close()
            if far_writer is not None:
                far_writer.close()

    server = await asyncio.start_server(connection, sock=listener)
    async with server:
        await server.serve_forever()


def listen(port):
    """The listening socket. Apart from serving it: a port below 1024 takes a capability, which is given up in between."""
    try:
        return socket.create_server(("127.0.0.1", port), backlog=MOST_CONNECTIONS)
    except (OSError, OverflowError):
        raise SetupFailed("The way to Strongroom could not be opened on port %d." % port)


def start_forwarder(listener, socket_path):
    """Serves the socket in a daemon thread."""
    threading.Thread(target=lambda: asyncio.run(_serve(listener, socket_path)), daemon=True).start()
