"""The real command, serving over TLS, as tests start it."""

import asyncio
import os
import re
import signal
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from app.certs import files

_ANNOUNCED = re.compile(r"registry-admission listens on (https://\S+)")
LOG = "service.log"
_PATIENCE = 300
"""Seconds to start, on a busy machine with a large state."""


@dataclass
class Running:
    """A served process and a client that trusts it."""

    process: asyncio.subprocess.Process
    url: str
    client: httpx.AsyncClient
    banner: str
    log: Path

    async def stop(self) -> tuple[int, str]:
        """SIGTERM, then the exit code and the log."""
        self.process.send_signal(signal.SIGTERM)
        code = await asyncio.wait_for(self.process.wait(), _PATIENCE)
        return code, self.log.read_text()


@asynccontextmanager
async def serve(folder: Path, *flags: str, **environment: str) -> AsyncIterator[Running]:
    """`registry-admission serve` on a free port, with certificates and its log in `folder`."""
    tls, log = folder / "tls", folder / LOG
    files.make(tls, ["localhost", "127.0.0.1"])
    arguments = ("serve", "--port", "0", "--tls-dir", str(tls), *flags)
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "app", *arguments,
            stdout=asyncio.subprocess.PIPE, stderr=output, env={**os.environ, **environment},
        )  # fmt: skip
    try:
        banner = await _banner(process, log, on_examples="--state" not in flags)
        found = _ANNOUNCED.search(banner)
        assert found is not None, banner
        context = ssl.create_default_context(cafile=tls / files.AUTHORITY)
        async with httpx.AsyncClient(
            base_url=found[1], verify=context, timeout=_PATIENCE
        ) as client:
            await wait_until_ready(client)
            yield Running(process, found[1], client, banner, log)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _banner(process: asyncio.subprocess.Process, log: Path, *, on_examples: bool) -> str:
    """The text that the service prints at its start. On the examples, it ends with a command."""
    assert process.stdout is not None
    lines = []
    async with asyncio.timeout(_PATIENCE):
        while line := await process.stdout.readline():
            lines.append(line.decode())
            if not on_examples or lines[-1].rstrip().endswith("/validate"):
                return "".join(lines)
    raise AssertionError(f"the service ended, see {log}")


async def wait_until_ready(client: httpx.AsyncClient) -> None:
    """Wait for a 200 of `/readyz`. A service that got too little CPU is not ready for seconds."""
    async with asyncio.timeout(_PATIENCE):
        while True:
            try:
                if (await client.get("/readyz")).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.05)
