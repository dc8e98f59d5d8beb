"""Large blobs and manifests do not stay in the gateway's memory."""

import asyncio
import hashlib

import httpx

from tests.memory import peak_bytes

from . import images
from .programs import Gateway

MIB = 2**20
SIZE = 1024 * MIB
ENDED = 0
"""The status for a connection that ended before its client had read the answer."""


async def test_a_large_blob_does_not_stay_in_memory(
    gate: Gateway, client: httpx.AsyncClient
) -> None:
    seen: list[int] = []
    watching = asyncio.create_task(watch(gate, seen))
    digest = digest_of_zeros()
    started = await client.post("/v2/team-a/app/blobs/uploads/")

    patched = await client.patch(started.headers["location"], content=images.chunks(SIZE))
    location = httpx.URL(patched.headers["location"])
    done = await client.put(location.copy_merge_params({"digest": digest}))
    received = 0
    async with client.stream("GET", f"/v2/team-a/app/blobs/{digest}") as answer:
        async for chunk in answer.aiter_raw():
            received += len(chunk)
    watching.cancel()

    assert (patched.status_code, done.status_code, received) == (202, 201, SIZE)
    assert len(seen) > 10
    assert max(seen) < 150 * MIB


async def watch(gate: Gateway, seen: list[int]) -> None:
    while True:
        seen.append(gate.resident_bytes())
        await asyncio.sleep(0.02)


def digest_of_zeros() -> str:
    sha256 = hashlib.sha256()
    for _ in range(SIZE // MIB):
        sha256.update(bytes(MIB))
    return f"sha256:{sha256.hexdigest()}"


async def test_manifests_far_too_large_do_not_stay_in_memory(
    gate: Gateway, client: httpx.AsyncClient
) -> None:
    before = peak_bytes(gate.process.pid)

    async def push(number: int) -> int:
        path = f"/v2/team-a/app/manifests/v{number}"
        headers = {"Content-Type": images.OCI_MANIFEST}
        try:
            answer = await client.put(path, content=images.chunks(64 * MIB), headers=headers)
        except httpx.TransportError:
            return ENDED
        return answer.status_code

    answers = await asyncio.gather(*map(push, range(40)))
    grown = peak_bytes(gate.process.pid) - before

    assert set(answers) <= {400, 429, ENDED}
    assert grown < 500 * MIB
    print(f"\nPEAK: {before // MIB} MiB, and {grown // MIB} MiB more")
