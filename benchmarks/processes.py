"""Servers under test, as processes."""

import asyncio
import contextlib
import os
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

_PORT = re.compile(rb"listens on https://[^:]+:(\d+)")


@contextlib.asynccontextmanager
async def serving(*arguments: str) -> AsyncIterator[int]:
    """Start `python ARGUMENTS`, which prints `listens on https://host:port`; gives the port."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    try:
        while line := await process.stdout.readline():
            found = _PORT.search(line)
            if found:
                await asyncio.sleep(1)
                yield int(found[1])
                return
        raise RuntimeError(f"{' '.join(arguments)} did not start")
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


def cpu_seconds(pid: int) -> float:
    """The CPU time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    user, system = fields[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def pin(pid: int, core: int) -> None:
    """Let all threads of a process run on one core only."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {core})


def certificates(folder: Path) -> Path:
    """A folder with certificates for localhost."""
    from app.certs import files

    files.make(folder, ["localhost", "127.0.0.1"])
    return folder
