"""A broken registry behind the gateway: answers to clients, and the time to recover.

With `-s` the times are printed that docs/faults.md has.
"""

import asyncio
import resource
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.patience import PATIENCE

from . import images
from .programs import Registry, gateway

REPOSITORY = "team-a/app"
LIMIT = 3


def _fill_disk(registry: Registry) -> None:
    """The registry cannot write any more, as on a full disk."""
    _allow(registry, 0)


def _empty_disk(registry: Registry) -> None:
    _allow(registry, resource.RLIM_INFINITY)


def _allow(registry: Registry, size: int) -> None:
    limits = (size, resource.RLIM_INFINITY)
    resource.prlimit(registry.process.pid, resource.RLIMIT_FSIZE, limits)


@dataclass(frozen=True)
class Fault:
    name: str
    begin: Callable[[Registry], None]
    end: Callable[[Registry], None]
    pushed: int
    """The answers to a push and to a pull during the fault."""
    pulled: int
    flags: tuple[str, ...] = ()
    """How long the registry may take to answer, if it does not answer."""


FAULTS = (
    Fault("the registry's disk is full", _fill_disk, _empty_disk, pushed=500, pulled=200),
    Fault(
        "the registry stalls",
        lambda registry: registry.process.send_signal(signal.SIGSTOP),
        lambda registry: registry.process.send_signal(signal.SIGCONT),
        pushed=503,
        pulled=503,
        flags=("--upstream-timeout", "2"),
    ),
)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
async def test_broken_registry_is_reported_and_counts_are_exact_afterwards(
    upstream: Registry, direct: httpx.AsyncClient, tmp_path: Path, fault: Fault
) -> None:
    images.limits(tmp_path, "team-a", image_tags=LIMIT)
    async with (
        gateway(tmp_path, upstream.url, *fault.flags) as gate,
        httpx.AsyncClient(base_url=gate.url, timeout=PATIENCE) as client,
    ):

        async def push(tag: str) -> int:
            answer = await images.push_manifest(client, REPOSITORY, tag, images.image(tag))
            return answer.status_code

        async def until_stored(tag: str) -> None:
            async with asyncio.timeout(PATIENCE):
                while await push(tag) != 201:
                    await asyncio.sleep(0.1)

        await images.push_blob(direct, REPOSITORY)
        await until_stored("before")
        fault.begin(upstream)
        try:
            started = time.monotonic()
            manifest = await push("during")
            told_after = time.monotonic() - started
            blob = await client.post(f"/v2/{REPOSITORY}/blobs/uploads/")
            pulled = await client.get(
                f"/v2/{REPOSITORY}/manifests/before", headers={"Accept": images.OCI_MANIFEST}
            )
            ready = await client.get("/readyz")
        finally:
            fault.end(upstream)
        ended = time.monotonic()
        await until_stored("after")
        well_after = time.monotonic() - ended
        async with asyncio.timeout(PATIENCE):
            while len(stored := await images.tags(direct, REPOSITORY)) < LIMIT:
                await push("more")
                await asyncio.sleep(0.1)
        full_after = time.monotonic() - ended
        too_many = await push("too-many")

    print(
        f"\nFAULT {fault.name}: told after {told_after:.1f} s, well {well_after:.1f} s, "
        f"all places there {full_after:.1f} s"
    )
    assert (manifest, blob.status_code) == (fault.pushed, fault.pushed)
    assert (pulled.status_code, ready.status_code) == (fault.pulled, 200)
    assert (len(stored), too_many) == (LIMIT, 403)
