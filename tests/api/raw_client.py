"""A client that sends its bytes one by one, and a listener that only reads bodies."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException

from app.api.body import BodyReader
from app.api.connections import Connections
from app.api.errors import on_http_exception
from app.api.server import Server, listen
from tests.patience import PATIENCE

HEAD = b"POST /validate HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
WHOLE = HEAD + b"Content-Length: 2\r\n\r\n{}"


@asynccontextmanager
async def listening(
    bodies: BodyReader,
    context: ssl.SSLContext | None = None,
    connections: Connections | None = None,
) -> AsyncIterator[int]:
    """The service's listener on a free port, before an application that only reads bodies."""
    app = FastAPI(exception_handlers={HTTPException: on_http_exception})

    @app.post("/validate")
    async def read(request: Request) -> int:
        return len(await bodies.json(request))

    bound = listen("127.0.0.1", 0)
    server = Server(app, context, shutdown_delay=0, shutdown_timeout=1, connections=connections)
    serving = asyncio.create_task(server.serve(sockets=[bound]))
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield bound.getsockname()[1]
    finally:
        server.should_exit = True
        await serving


class Client:
    """A connection that sends and receives raw bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def until_closed(self) -> bytes:
        """All bytes that arrive until the other side ends the connection."""
        async with asyncio.timeout(PATIENCE):
            return await self._reader.read()

    async def answer(self) -> bytes:
        async with asyncio.timeout(PATIENCE):
            return await self._reader.readuntil(b"\r\n")

    def close(self) -> None:
        self._writer.close()


async def connect(port: int, address: str = "127.0.0.1") -> Client:
    """A connection from an address of this machine."""
    opened = asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
    return Client(*await opened)


async def exchange(port: int, sent: bytes, silence: float = PATIENCE) -> bytes:
    """All bytes that come on a new connection, until the other side closes or resets it, or sends
    nothing more for `silence` seconds.

    This is a socket because a StreamReader loses what has come before a reset.
    """
    loop, received = asyncio.get_running_loop(), b""
    with socket.socket() as connection:
        connection.setblocking(False)
        await loop.sock_connect(connection, ("127.0.0.1", port))
        with suppress(ConnectionError):
            await loop.sock_sendall(connection, sent)
        with suppress(ConnectionError, TimeoutError):
            while chunk := await asyncio.wait_for(
                loop.sock_recv(connection, 2**16), silence if received else PATIENCE
            ):
                received += chunk
    return received
