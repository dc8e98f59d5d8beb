"""A balancer in place of a Service: one address that spreads connections over the replicas."""

import asyncio
import threading
from collections.abc import Callable
from itertools import count

from tests.patience import PATIENCE

_CHUNK = 65536


class Balancer:
    """Passes TCP connections on, round robin, from a thread of its own."""

    def __init__(self, targets: Callable[[], list[int]]) -> None:
        self._targets = targets
        self._turn = count()
        self._open: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        started = asyncio.run_coroutine_threadsafe(self._start(), self._loop)
        self._server = started.result(PATIENCE)
        self.port: int = self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def cut(self) -> None:
        """Ends every connection that is open."""
        self._loop.call_soon_threadsafe(self._abort)

    def _abort(self) -> None:
        for writer in self._open:
            writer.transport.abort()

    async def _start(self) -> asyncio.Server:
        return await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        targets = self._targets()
        turn = next(self._turn)
        for offset in range(len(targets)):
            try:
                port = targets[(turn + offset) % len(targets)]
                upstream = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                continue
            ends = {writer, upstream[1]}
            self._open |= ends
            await asyncio.gather(_pump(reader, upstream[1]), _pump(upstream[0], writer))
            self._open -= ends
            return
        writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()
