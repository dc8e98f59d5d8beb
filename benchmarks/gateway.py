"""d: pushes through the gateway, through nginx as a plain proxy, and straight to the registry.

In turns, on one registry: what differs is the way there. Needs curl; with TMPDIR in
memory (`/dev/shm`), the disk has no say in it.
"""

import asyncio
import hashlib
import os
import re
import shutil
import socket
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx

from tests.registry import images
from tests.registry.programs import build_tools, gateway, registry

_LARGE = 2**30
_PUSHES = 200
_AT_ONCE = 16
_ROUNDS = 5
_LAYER = 64 * 1024
_NGINX = """\
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
worker_processes 1;
events {{ worker_connections 512; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  upstream registry {{ server {upstream}; keepalive 64; }}
  server {{
    listen 127.0.0.1:{port};
    client_max_body_size 0;
    location / {{
      proxy_pass http://registry;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Connection "";
      proxy_request_buffering off;
      proxy_buffering off;
    }}
  }}
}}
"""

Push = Callable[[str, str], Awaitable[None]]
"""Pushes something to the registry at a URL, as a repository that nobody else uses."""


async def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        images.limits(folder, "team-a", storage="2Gi", image_tags=1_000_000)
        async with AsyncExitStack() as stack:
            tools = build_tools()
            upstream = await stack.enter_async_context(
                registry(tools, folder, log={"level": "warn"})
            )
            limited = await stack.enter_async_context(gateway(folder, upstream.url))
            proxied = await stack.enter_async_context(_nginx(tools, folder, upstream.host))
            ways = {"direct": upstream.url, "nginx": proxied, "gateway": limited.url}
            blob = _Blob(folder)
            await _compare("a blob of 1 GiB", ways, blob.push, folder)
            await _compare(f"{_PUSHES} pushes of 64 KiB", ways, _small_pushes, folder)
            log = (folder / "registry.log").read_text()
            print(f"tag lists asked of the registry: {len(re.findall('/tags/list', log))}")


async def _compare(title: str, ways: dict[str, str], push: Push, folder: Path) -> None:
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(_ROUNDS):
        for name, url in ways.items():
            started = time.perf_counter()
            await push(url, f"team-a/{name}-{number}")
            seconds[name].append(time.perf_counter() - started)
            shutil.rmtree(folder / "registry" / "docker")
    direct = statistics.median(seconds["direct"])
    for name, times in seconds.items():
        middle = statistics.median(times)
        print(f"{title}: {name:8} {middle:6.2f} s, ratio to direct {middle / direct:.2f}")


class _Blob:
    """A large blob, pushed with curl: what the client costs is little, and the same for all."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "blob"
        sha256 = hashlib.sha256()
        with self._file.open("wb") as file:
            for _ in range(_LARGE // 2**20):
                piece = os.urandom(2**20)
                sha256.update(piece)
                file.write(piece)
        self._digest = f"sha256:{sha256.hexdigest()}"

    async def push(self, url: str, repository: str) -> None:
        async with httpx.AsyncClient(base_url=url, timeout=300) as client:
            started = await client.post(f"/v2/{repository}/blobs/uploads/")
            location = client.base_url.join(started.headers["location"])
            target = location.copy_merge_params({"digest": self._digest})
            curl = await asyncio.create_subprocess_exec(
                "curl", "--silent", "--show-error", "--fail", "--http1.1", "--upload-file",
                self._file, "--header", "Expect:", "--output", "/dev/null", str(target),
            )  # fmt: skip
            assert await curl.wait() == 0


async def _small_pushes(url: str, repository: str) -> None:
    """Images of one layer each, under tags of their own."""
    turns = asyncio.Semaphore(_AT_ONCE)
    async with httpx.AsyncClient(base_url=url, timeout=60) as client:
        config = await images.push_blob(client, repository)
        assert config.status_code == 201, config.text

        async def push(number: int) -> None:
            layer = f"{repository}:{number}".encode().ljust(_LAYER, b".")
            described = images.descriptor(layer, "application/vnd.oci.image.layer.v1.tar")
            content = images.image(f"{repository}:{number}", layers=[described])
            async with turns:
                for answer in (
                    await images.push_blob(client, repository, layer),
                    await images.push_manifest(client, repository, f"v{number}", content),
                ):
                    assert answer.status_code == 201, answer.text

        await asyncio.gather(*map(push, range(_PUSHES)))


@asynccontextmanager
async def _nginx(tools: Path, folder: Path, upstream: str) -> AsyncIterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = folder / "nginx.conf"
    config.write_text(_NGINX.format(folder=folder, upstream=upstream, port=port))
    process = await asyncio.create_subprocess_exec(tools / "nginx", "-c", config)
    try:
        await asyncio.sleep(1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()


if __name__ == "__main__":
    asyncio.run(main())
