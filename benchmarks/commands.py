"""CPU that `usage`, `audit` and the completion of a namespace take, as processes, on a cluster of
5,000 namespaces; the API server is another process, whose CPU does not count."""

import asyncio
import multiprocessing
import resource
import subprocess
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

import httpx
import yaml
from aiohttp import web

from benchmarks.reports import NAMESPACES, Cluster

_COMMANDS = (
    ("usage",),
    ("usage", "-o", "json"),
    ("usage", "-n", "ns-00007"),
    ("audit", "--fail-on", "never"),
)
_SIZES = ((4, 5), (20, 10))
"""Streams of each namespace, and tags of each stream."""
_TAB = """
import sys
from app.cli.main import complete_for_kubectl
sys.argv = ["complete", "usage", "--kubeconfig", {kubeconfig!r}, "-n", "ns-0000"]
complete_for_kubectl()
"""


async def serve(streams: int, tags: int, port: Connection) -> None:
    """Serve the cluster, and count the requests under /requests."""
    cluster = Cluster(streams, tags)

    async def answer(request: web.Request) -> web.Response:
        if request.path == "/requests":
            count = cluster.requests.total()
            cluster.requests.clear()
            return web.json_response(count)
        if request.path == "/version":  # kubectl compares it with its own
            return web.json_response({"major": "1", "minor": "34"})
        if request.path == "/api/v1/namespaces" and "limit" not in request.query:
            return web.json_response(await cluster.get(request.path, {"limit": str(NAMESPACES)}))
        return web.json_response(await cluster.get(request.path, dict(request.query)))

    application = web.Application()
    application.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port.send(runner.addresses[0][1])
    await asyncio.Event().wait()


def _start(streams: int, tags: int, port: Connection) -> None:
    asyncio.run(serve(streams, tags, port))


def _requests(server: str) -> int:
    return int(httpx.get(f"{server}/requests").json())


def measure(title: str, command: list[str], server: str) -> None:
    _requests(server)
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, capture_output=True, check=True)
    after, seconds = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - started
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    lines = done.stdout.count(b"\n")
    print(
        f"  {title}: {cpu:.2f} s of CPU, {seconds:.1f} s in all, {_requests(server)} requests, "
        f"{lines} lines, {after.ru_maxrss // 1024} MB at most so far"
    )


def main() -> None:
    for streams, tags in _SIZES:
        here, there = multiprocessing.Pipe()
        api = multiprocessing.Process(target=_start, args=(streams, tags, there), daemon=True)
        api.start()
        server = f"http://127.0.0.1:{here.recv()}"
        print(f"{NAMESPACES:,} namespaces, {NAMESPACES * streams:,} streams of {tags} tags")
        with tempfile.TemporaryDirectory() as folder:
            kubeconfig = Path(folder, "kubeconfig")
            kubeconfig.write_text(yaml.safe_dump(_kubeconfig(server)))
            for arguments in _COMMANDS:
                command = [sys.executable, "-m", "app", *arguments, "--kubeconfig", kubeconfig]
                measure(" ".join(arguments), [str(part) for part in command], server)
            tab = _TAB.format(kubeconfig=str(kubeconfig))
            measure("TAB after usage -n ns-0000", [sys.executable, "-c", tab], server)
        api.terminate()


def _kubeconfig(server: str) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "a", "cluster": {"server": server}}],
        "users": [{"name": "a", "user": {"token": "token"}}],
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
        "current-context": "a",
    }


if __name__ == "__main__":
    main()
