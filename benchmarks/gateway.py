"""d: pushes and pulls through the gateway, through nginx as a plain proxy, and directly.

The ways take turns on one registry. Needs curl. With TMPDIR in memory (`/dev/shm`), the disk has no
influence. `python -m benchmarks.gateway PART…` runs some parts only: large, small, get, link. The
part `link` limits the client's link: it needs root and tc, and has a network namespace of its own.
"""

import asyncio
import contextlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks.blobs import Blob
from benchmarks.processes import cpu_seconds
from tests.ports import free_port
from tests.registry import images
from tests.registry.programs import build_tools, gateway, registry

_PUSHES = 200
_AT_ONCE = 16
_ROUNDS = 3
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

_GETS = 500
_PARTS = ("large", "small", "get", "link")
_INSIDE = "inside-link"
"""The part `link`, in its own network namespace."""
_CLIENT = "127.0.0.2"
"""The address of clients whose link is limited. Proxies reach the registry from 127.0.0.1."""
_RATES = {"10gbit": 3, "1gbit": 1}
"""The rounds at each rate."""


@dataclass(frozen=True)
class _Way:
    """One way to the registry, and the processes on it."""

    url: str
    processes: tuple[int, ...]

    def cpu(self) -> float:
        return sum(map(cpu_seconds, self.processes))


Work = Callable[[str, str], Awaitable[None]]
"""Makes requests to the registry at this URL, in a repository of its own."""


async def main(parts: set[str]) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        images.limits(folder, "team-a", storage="2Gi", image_tags=1_000_000)
        tools = build_tools()
        async with AsyncExitStack() as stack:
            upstream = await stack.enter_async_context(
                registry(tools, folder, log={"level": "warn"})
            )
            limited = await stack.enter_async_context(gateway(folder, upstream.url))
            proxy = await stack.enter_async_context(_nginx(tools, folder, upstream.host))
            own = upstream.process.pid
            ways = {
                "direct": _Way(upstream.url, (own,)),
                "nginx": _Way(proxy.url, (own, *proxy.processes)),
                "gateway": _Way(limited.url, (own, limited.process.pid)),
            }
            if "large" in parts:
                await _large(ways, folder)
            if _INSIDE in parts:
                await _limited_pulls(ways, folder)
            if "small" in parts:
                title = f"{_PUSHES} pushes of 64 KiB"
                await _compare(title, ways, _small_pushes, _cleaned(folder))
            if "get" in parts:
                await _small_gets(ways)
            print(f"memory of the gateway: {limited.resident_bytes() // 2**20} MiB")


async def _large(ways: dict[str, _Way], folder: Path) -> None:
    blob = Blob(folder)
    await _compare("push of 1 GiB", ways, blob.push, _cleaned(folder))
    await blob.push(ways["direct"].url, "team-a/pulled")

    async def pull(url: str, _repository: str) -> None:
        await blob.pull(url, "team-a/pulled")

    await _compare("pull of 1 GiB", ways, pull, lambda: None)
    _cleaned(folder)()


async def _limited_pulls(ways: dict[str, _Way], folder: Path) -> None:
    """Loopback with a limited rate to the client's address."""
    blob = Blob(folder)
    await blob.push(ways["direct"].url, "team-a/pulled")

    async def pull(url: str, _repository: str) -> None:
        await blob.pull(url, "team-a/pulled", "--interface", _CLIENT)

    _run("tc", "qdisc", "add", "dev", "lo", "root", "handle", "1:", "htb")
    for rate, rounds in _RATES.items():
        _limit_link(rate)
        await _compare(f"pull of 1 GiB at {rate}", ways, pull, lambda: None, rounds)


def _limit_link(rate: str) -> None:
    limited = f"parent 1: protocol ip u32 match ip dst {_CLIENT}/32 flowid 1:1"
    for command in (
        f"tc class replace dev lo parent 1: classid 1:1 htb rate {rate} burst 1m cburst 1m "
        "quantum 200000",
        f"tc filter replace dev lo {limited}",
    ):
        _run(*command.split())


def _cleaned(folder: Path) -> Callable[[], None]:
    return lambda: shutil.rmtree(folder / "registry" / "docker")


async def _compare(
    title: str,
    ways: dict[str, _Way],
    work: Work,
    after: Callable[[], None],
    rounds: int = _ROUNDS,
) -> None:
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    cpu: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds):
        for name, way in ways.items():
            taken, started = way.cpu(), time.perf_counter()
            await work(way.url, f"team-a/{name}-{number}")
            seconds[name].append(time.perf_counter() - started)
            cpu[name].append(way.cpu() - taken)
            after()
    direct = statistics.median(seconds["direct"])
    least = statistics.median(cpu["direct"])
    for name in ways:
        middle, used = statistics.median(seconds[name]), statistics.median(cpu[name])
        print(
            f"{title}: {name:8} {middle:6.2f} s ({middle / direct:.2f} x direct), "
            f"CPU of registry and proxy {used:6.2f} s ({used / least:.2f} x)"
        )


async def _small_gets(ways: dict[str, _Way]) -> None:
    """One client, one request after another."""
    async with httpx.AsyncClient() as client:
        await images.push_blob(_at(client, ways["direct"].url), "team-a/get")
        url = ways["direct"].url
        await images.push_manifest(client, "team-a/get", "v1", images.image("v1"), url=url)
        times: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(_GETS):
            for name, way in ways.items():
                started = time.perf_counter()
                answer = await client.get(
                    f"{way.url}/v2/team-a/get/manifests/v1",
                    headers={"Accept": images.OCI_MANIFEST},
                )
                times[name].append(time.perf_counter() - started)
                assert answer.status_code == 200
    for name, taken in times.items():
        print(f"GET of a manifest: {name:8} p50 {statistics.median(taken) * 1000:.2f} ms")


def _at(client: httpx.AsyncClient, url: str) -> httpx.AsyncClient:
    client.base_url = httpx.URL(url)
    return client


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


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@asynccontextmanager
async def _nginx(tools: Path, folder: Path, upstream: str) -> AsyncIterator[_Way]:
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(_NGINX.format(folder=folder, upstream=upstream, port=port))
    process = await asyncio.create_subprocess_exec(tools / "nginx", "-c", config)
    try:
        await asyncio.sleep(1)
        yield _Way(f"http://127.0.0.1:{port}", (process.pid, *_children(process.pid)))
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


def _measure(parts: set[str]) -> None:
    if parts - {"link"}:
        asyncio.run(main(parts))
    if "link" in parts:
        again = f"{sys.executable} -m benchmarks.gateway {_INSIDE}"
        _run("unshare", "--net", "sh", "-c", f"ip link set lo up && exec {again}")


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


if __name__ == "__main__":
    _measure(set(sys.argv[1:] or _PARTS))
