"""Bodies without end, from many at once, do not take the memory of a Pod."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.api.service import serve, wait_until_ready
from tests.memory import peak_bytes

MIB = 2**20
TOKEN = "0123456789abcdef"
ENDED = 0
"""The status for a connection that ended before its client had read the answer."""


async def endless() -> AsyncIterator[bytes]:
    for _ in range(64):
        yield bytes(MIB)


@pytest.mark.parametrize("path", ["/validate", "/v1/push/manifest"])
async def test_bodies_far_too_large_are_refused_within_bounded_memory(
    tmp_path: Path, path: str
) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text(f"{TOKEN} admin *\n")
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    async with serve(tmp_path, "--push-tokens", str(tokens)) as running:
        before = peak_bytes(running.process.pid)

        async def send() -> int:
            try:
                answer = await running.client.post(path, content=endless(), headers=headers)
            except httpx.TransportError:
                return ENDED
            return answer.status_code

        answers = await asyncio.gather(*(send() for _ in range(40)))
        grown = peak_bytes(running.process.pid) - before
        await wait_until_ready(running.client)

    assert set(answers) <= {408, 413, 429, ENDED}
    assert grown < 400 * MIB
    print(f"\nPEAK {path}: {before // MIB} MiB, and {grown // MIB} MiB more")
