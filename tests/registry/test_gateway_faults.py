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

from . import images
from .programs import Registry, gateway

REPOSITORY = "team-a/app"
LIMIT = 3
TIMEOUT = 2.0
"""Seconds for the registry to answer; 300 unless told otherwise."""


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


FAULTS = (
    Fault("the registry's disk is full", _fill_disk, _empty_disk, pushed=500, pulled=200),
    Fault(
        "the registry stalls",
        lambda registry: registry.process.send_signal(signal.SIGSTOP),
        lambda registry: registry.process.send_signal(signal.SIGCONT),
        pushed=503,
        pulled=503,
    ),
)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
async def test_broken_registry_is_reported_and_counts_are_exact_afterwards(
    upstream: Registry, tmp_path: Path, fault: Fault
) -> None:
    images.limits(tmp_path, "team-a", image_tags=LIMIT)
    flags = ("--upstream-timeout", str(TIMEOUT))
    async with (
        gateway(tmp_path, upstream.url, *flags) as gate,
        httpx.AsyncClient(base_url=gate.url, timeout=30) as client,
    ):

        async def push(tag: str) -> int:
            answer = await images.push_manifest(client, REPOSITORY, tag, images.image(tag))
            return answer.status_code

        await images.push_blob(client, REPOSITORY)
        assert await push("before") == 201
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
        while (answer := await push("after")) != 201:
            assert time.monotonic() < ended + 60, answer
            await asyncio.sleep(0.1)
        well_after = time.monotonic() - ended
        while len(stored := await images.tags(client, REPOSITORY)) < LIMIT:
            assert time.monotonic() < ended + 60, stored
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
