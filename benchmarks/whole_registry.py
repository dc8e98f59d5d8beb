"""d: a registry with many repositories, read at the first start of a gateway and compared later.

`python -m benchmarks.whole_registry`. With TMPDIR in memory, the disk has no influence.
"""

import asyncio
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import httpx

from benchmarks.blobs import Blob
from benchmarks.processes import cpu_seconds
from tests.registry import images
from tests.registry.programs import Gateway, Registry, build_tools, gateway, registry

_REPOSITORIES, _TAGS = 2000, 20
_ROUNDS = 5
_NEVER, _OFTEN = "100000", "60"
"""Seconds between comparisons."""


async def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        images.limits(folder, "team-a", storage="2Gi")
        async with registry(build_tools(), folder, log={"level": "warn"}) as upstream:
            await _fill(upstream, folder)
            await _first_start(upstream, folder)
            blob = Blob(folder)
            await blob.push(upstream.url, "team-a/pulled")
            await _pulls(upstream, folder, blob)


async def _fill(upstream: Registry, folder: Path) -> None:
    """Push one repository, and copy its files, which is faster than pushing each."""
    async with httpx.AsyncClient(base_url=upstream.url, timeout=60) as client:
        await images.push_blob(client, "team-0/app")
        for number in range(_TAGS):
            name = f"v{number}"
            await images.push_manifest(client, "team-0/app", name, images.image(name))
    stored = folder / "registry/docker/registry/v2/repositories"
    for number in range(1, _REPOSITORIES):
        shutil.copytree(stored / "team-0/app", stored / f"team-{number % 50}/app{number}")


async def _first_start(upstream: Registry, folder: Path) -> None:
    started = time.perf_counter()
    async with gateway(folder, upstream.url, "--compare-interval", _NEVER) as gate:
        await _until_read(gate)
        took, used = time.perf_counter() - started, cpu_seconds(gate.process.pid)
        memory = gate.resident_bytes() // 2**20
    print(
        f"first start, {_REPOSITORIES} repositories x {_TAGS} tags: {took:.1f} s, "
        f"CPU of the gateway {used:.1f} s, {memory} MiB"
    )


async def _until_read(gate: Gateway) -> None:
    async with httpx.AsyncClient(base_url=gate.url, timeout=60) as client:
        while True:
            if not (await client.get("/readyz")).json()["warnings"]:
                return
            await asyncio.sleep(0.2)


async def _pulls(upstream: Registry, folder: Path, blob: Blob) -> None:
    """Pulls without and during a comparison, which begins at the start and takes half of the
    interval."""
    pulls = {}
    for title, interval in (("without", _NEVER), ("during", _OFTEN)):
        async with gateway(folder, upstream.url, "--compare-interval", interval) as gate:
            if title == "without":
                await asyncio.sleep(5)
            times = []
            for _ in range(_ROUNDS):
                started = time.perf_counter()
                await blob.pull(gate.url, "team-a/pulled")
                times.append(time.perf_counter() - started)
        pulls[title] = statistics.median(times)
    ratio = pulls["during"] / pulls["without"]
    print(
        f"pull of 1 GiB: {pulls['without']:.2f} s, during a comparison {pulls['during']:.2f} s "
        f"({ratio:.2f} x)"
    )


if __name__ == "__main__":
    asyncio.run(main())
