"""A large blob, pushed and pulled with curl, which costs little CPU."""

import asyncio
import hashlib
import os
from pathlib import Path

import httpx

LARGE = 2**30
"""Bytes."""


class Blob:
    """Random bytes in a file."""

    def __init__(self, folder: Path, size: int = LARGE) -> None:
        self._file = folder / "blob"
        sha256 = hashlib.sha256()
        with self._file.open("wb") as file:
            for _ in range(size // 2**20):
                piece = os.urandom(2**20)
                sha256.update(piece)
                file.write(piece)
        self._digest = f"sha256:{sha256.hexdigest()}"

    async def push(self, url: str, repository: str, *flags: str) -> None:
        async with httpx.AsyncClient(base_url=url, timeout=300) as client:
            started = await client.post(f"/v2/{repository}/blobs/uploads/")
            location = client.base_url.join(started.headers["location"])
            target = location.copy_merge_params({"digest": self._digest})
        await _curl(*flags, "--upload-file", self._file, "--header", "Expect:", str(target))

    async def pull(self, url: str, repository: str, *flags: str) -> None:
        await _curl(*flags, f"{url}/v2/{repository}/blobs/{self._digest}")


async def _curl(*arguments: str | Path) -> None:
    quiet = ("--silent", "--show-error", "--fail", "--http1.1", "--output", "/dev/null")
    curl = await asyncio.create_subprocess_exec("curl", *quiet, *arguments)
    assert await curl.wait() == 0
