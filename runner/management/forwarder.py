"""Carries bytes from a loopback port to the agent's socket, so that Strongroom's own URL works inside the sandbox.

TLS stays end to end: only bytes pass here. One thread serves all connections, because threads count against the
user's process limit, and a user at the limit must still be able to log a metric.
"""
import asyncio
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


async def _serve(port, socket_path, started):
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

    server = await asyncio.start_server(connection, "127.0.0.1", port, backlog=MOST_CONNECTIONS)
    started.set()
    async with server:
        await server.serve_forever()


def start_forwarder(port, socket_path):
    """Listens on 127.0.0.1:port in a daemon thread; returns once it does."""
    started = threading.Event()
    problem = []

    def serve():
        try:
            asyncio.run(_serve(port, socket_path, started))
        except OSError as failure:
            problem.append(failure)
            started.set()

    threading.Thread(target=serve, daemon=True).start()
    started.wait(10)
    if problem or not started.is_set():
        raise SetupFailed("The way to Strongroom could not be opened on port %d." % port)
