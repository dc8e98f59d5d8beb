"""An echo server over TLS on a folder, and clients that trust the CAs they are given."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.certs import files
from app.certs.authority import KeyPair
from app.certs.reload import ServingContext
from tests.patience import PATIENCE

SOON = 0.05
NEVER = 3600.0
"""A poll interval longer than any test: a change that is seen was seen by an event."""


def ca(folder: Path) -> bytes:
    return (folder / files.AUTHORITY).read_bytes()


def present(folder: Path) -> KeyPair:
    return files.read(folder / files.CERTIFICATE, folder / files.KEY)


def put(folder: Path, pair: KeyPair) -> None:
    (folder / files.KEY).write_bytes(pair.key)
    (folder / files.CERTIFICATE).write_bytes(pair.certificate)


def mount(folder: Path, version: str, pair: KeyPair) -> None:
    """Write a Secret's volume as the kubelet does: files link to `..data`, which is swapped."""
    (folder / version).mkdir(parents=True)
    put(folder / version, pair)
    (folder / "..data_tmp").symlink_to(version)
    (folder / "..data_tmp").replace(folder / "..data")
    for name in (files.CERTIFICATE, files.KEY):
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(Path("..data") / name)


@dataclass
class Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @property
    def serial(self) -> int:
        """The serial number of the certificate that the server presented."""
        return int(self.writer.get_extra_info("peercert")["serialNumber"], 16)

    async def echo(self, line: bytes) -> bytes:
        self.writer.write(line + b"\n")
        return (await self.reader.readline()).strip()


@asynccontextmanager
async def connect(
    port: int, trusted: bytes, name: str = "localhost", version: ssl.TLSVersion | None = None
) -> AsyncIterator[Connection]:
    client = ssl.create_default_context(cadata=trusted.decode())
    if version:
        client.minimum_version = client.maximum_version = version
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=client, server_hostname=name
    )
    try:
        yield Connection(reader, writer)
    finally:
        writer.close()


async def presented(port: int, trusted: bytes) -> int:
    """The serial number that a new connection sees."""
    async with connect(port, trusted) as connection:
        return connection.serial


async def wait_until_presented(serial: int, port: int, trusted: bytes) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            if await presented(port, trusted) == serial:
                return
            await asyncio.sleep(SOON)


@dataclass
class Server:
    certificates: ServingContext
    port: int


@asynccontextmanager
async def serving(
    folder: Path, background: Callable[[ServingContext], Coroutine[Any, Any, None]] | None = None
) -> AsyncIterator[Server]:
    """A server on the certificate in `folder`, with a job such as `watch` beside it."""
    certificates = ServingContext(folder / files.CERTIFICATE, folder / files.KEY)
    listener = await asyncio.start_server(_echo, "127.0.0.1", 0, ssl=certificates.ssl)
    job = asyncio.create_task(background(certificates)) if background else None
    await asyncio.sleep(0)  # the job has started, so the watcher sees every later change
    try:
        yield Server(certificates, listener.sockets[0].getsockname()[1])
    finally:
        listener.close()
        if job:
            job.cancel()
            await asyncio.gather(job, return_exceptions=True)


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        writer.write(line)
    writer.close()


async def by_events(certificates: ServingContext) -> None:
    await certificates.watch(poll=NEVER)


async def by_looking(certificates: ServingContext) -> None:
    await certificates.watch(poll=SOON)
