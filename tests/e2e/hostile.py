"""Hostile clients, in a process of their own: `python -m tests.e2e.hostile KIND ...`.

The first two kinds have the rights of a tenant in one namespace and go through the API server. The
others reach the port of the service itself.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from .pushes import Push

CLIENTS = 5
"""The number of clients of each kind."""
SILENT = 420
"""Connections of one client: 2,100 in all."""
WIDE = 25_000
BODY = 8 * 2**20
"""Bytes, the largest that the service reads."""


class Target:
    """The address that the clients of one process attack, and their rights."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.server: str = arguments.server
        self.token: str = arguments.token
        self.namespace: str = arguments.namespace
        self.port: int = arguments.port
        self._context = ssl.create_default_context()
        self._context.check_hostname = False
        self._context.verify_mode = ssl.CERT_NONE

    @contextlib.asynccontextmanager
    async def api(self) -> AsyncIterator[httpx.AsyncClient]:
        """A client of the API server with the rights of the tenant."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        async with httpx.AsyncClient(
            base_url=f"{self.server}/apis/image.alauda.io/v1/namespaces/{self.namespace}",
            verify=self._context,
            headers=headers,
            timeout=60,
        ) as client:
            yield client

    async def connect(self, client: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to the service, from an address that only this client has."""
        return await asyncio.open_connection(
            "127.0.0.1", self.port, ssl=self._context, local_addr=(f"127.0.1.{client + 1}", 0)
        )


async def wide_objects(target: Target, client: int) -> None:
    """Dry runs of ImageStreams with as many tags as fit into a request, all refused."""
    tags = [{"name": f"v{number}"} for number in range(WIDE)]
    async with target.api() as api:
        for number in itertools.count():
            stream = _stream(target.namespace, f"wide-{client}-{number}", tags)
            with contextlib.suppress(httpx.HTTPError):
                await api.post("/imagestreams?dryRun=All", content=json.dumps(stream))


def _stream(namespace: str, name: str, tags: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "apiVersion": "image.alauda.io/v1",
        "kind": "ImageStream",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"tags": tags},
    }


async def refusals(target: Target, client: int) -> None:
    """Pushes of images that are too large, each with a new name."""
    async with target.api() as api:
        for number in itertools.count():
            push = Push(target.namespace, f"large-{client}-{number}", "v1", size=2**40)
            with contextlib.suppress(httpx.HTTPError):
                await api.post("/imagestreammappings", json=push.mapping("alauda.io"))


async def stalled_bodies(target: Target, client: int) -> None:
    """Eight bodies at a time, of the largest size but for the last byte."""
    head = b"POST /validate HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    sent = head + b"Content-Length: %d\r\n\r\n" % BODY + b" " * (BODY - 1)

    async def one() -> None:
        while True:
            with contextlib.suppress(OSError):
                reader, writer = await target.connect(client)
                writer.write(sent)
                await reader.read()
                writer.close()

    await asyncio.gather(*(one() for _ in range(8)))


async def silent_connections(target: Target, client: int) -> None:
    """Hundreds of connections that send nothing, opened again when they are ended."""

    async def one() -> None:
        while True:
            try:
                reader, writer = await target.connect(client)
                await reader.read()
                writer.close()
            except OSError:
                await asyncio.sleep(1)

    await asyncio.gather(*(one() for _ in range(SILENT)))


KINDS: dict[str, Callable[[Target, int], Awaitable[None]]] = {
    "wide-objects": wide_objects,
    "refusals": refusals,
    "stalled-bodies": stalled_bodies,
    "silent-connections": silent_connections,
}


@contextmanager
def attack(*arguments: str) -> Iterator[None]:
    """Twenty hostile clients, five of each kind, while the body runs."""
    command = [sys.executable, "-m", __name__]
    running = [subprocess.Popen([*command, kind, *arguments]) for kind in KINDS]
    try:
        yield
        assert all(process.poll() is None for process in running), "an attack ended by itself"
    finally:
        for process in running:
            process.kill()
            process.wait()


async def _main(arguments: argparse.Namespace) -> None:
    target = Target(arguments)
    await asyncio.gather(*(KINDS[arguments.kind](target, client) for client in range(CLIENTS)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--server", required=True)
    parser.add_argument("--token", required=True)
    parser.add_argument("--namespace", required=True)
    parser.add_argument("--port", type=int, required=True)
    asyncio.run(_main(parser.parse_args()))
