"""A real registry, the real gateway before it, and the clients, as processes of the tests."""

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.api.raw_client import exchange
from tests.patience import PATIENCE
from tests.ports import free_port

_ANNOUNCED = re.compile(r"listens on (http://\S+)")
PROGRAMS = ("docker-registry", "distribution")
NO_KEEP_ALIVE = httpx.Limits(max_keepalive_connections=0)
"""For clients of a server that may close an idle connection just when it gets a request."""
ON_BOTH = pytest.mark.parametrize("upstream", PROGRAMS, indirect=True)
"""Runs a test with the fixture `upstream` on both registries."""


def build_tools() -> Path:
    """The directory with the registry and its clients. Missing programs are built first."""
    build = Path(__file__).parent / "tools" / "build"
    built = subprocess.run([build], stdout=subprocess.PIPE, text=True, check=True)
    return Path(built.stdout.strip())


@dataclass(frozen=True)
class Result:
    code: int
    output: str
    """Standard output and standard error together."""


async def run(*command: str | Path, **environment: str) -> Result:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, **environment},
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return Result(process.returncode or 0, output.decode())


@dataclass(frozen=True)
class Clients:
    """skopeo and crane, with a docker config of their own."""

    tools: Path
    config: Path

    async def crane(self, *arguments: str | Path) -> Result:
        return await run(self.tools / "crane", *arguments, DOCKER_CONFIG=str(self.config))

    async def skopeo_copy(self, source: str, target: str, *flags: str) -> Result:
        insecure = ("--src-tls-verify=false", "--dest-tls-verify=false")
        command = ("--insecure-policy", "copy", *insecure, *flags, source, target)
        return await run(self.tools / "skopeo", *command)


@dataclass
class Registry:
    url: str
    process: asyncio.subprocess.Process

    @property
    def host(self) -> str:
        return self.url.partition("://")[2]


@asynccontextmanager
async def registry(
    tools: Path, folder: Path, program: str = "docker-registry", **settings: Any
) -> AsyncIterator[Registry]:
    """Debian's docker-registry, or another version of it, on a folder of its own."""
    address = f"127.0.0.1:{free_port()}"
    config = {
        "version": 0.1,
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": str(folder / "registry")},
            "delete": {"enabled": True},
        },
        "http": {"addr": address},
        **settings,
    }
    (folder / "registry.yaml").write_text(yaml.safe_dump(config))
    command = (tools / program, "serve", folder / "registry.yaml")
    async with _serving(command, f"http://{address}/", folder / "registry.log") as process:
        yield Registry(f"http://{address}", process)


def distribution(
    tools: Path, folder: Path, **settings: Any
) -> AbstractAsyncContextManager[Registry]:
    """distribution v3 on a folder of its own."""
    return registry(tools, folder, "distribution", **settings)


@asynccontextmanager
async def memory_registry(tools: Path, folder: Path) -> AsyncIterator[Registry]:
    """A registry with the referrers API, which docker-registry lacks."""
    address = f"127.0.0.1:{free_port()}"
    command = (tools / "memory", address)
    async with _serving(command, f"http://{address}/v2/", folder / "registry.log") as process:
        yield Registry(f"http://{address}", process)


@dataclass
class Nginx:
    folder: Path
    ready: str
    """An address that answers 200."""
    process: asyncio.subprocess.Process | None = None

    def configure(self, server: str) -> Path:
        folder = self.folder
        paths = "".join(
            f"{kind}_temp_path {folder}/{kind};\n"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        file = folder / "nginx.conf"
        file.write_text(
            # Workers that root starts could not read pytest's folders as another user.
            f"user root;\ndaemon off;\npid {folder}/nginx.pid;\nerror_log stderr;\n"
            "events { }\nhttp {\n"
            f"access_log {folder}/access.log combined;\n{paths}"
            f"server {{ listen {self.ready}; location / {{ return 200; }} }}\n"
            f"server {{ {server} }}\n}}\n"
        )
        return file

    def reload(self, server: str) -> None:
        """New workers take this configuration. The old ones finish what they have begun."""
        self.configure(server)
        assert self.process is not None
        self.process.send_signal(signal.SIGHUP)


@asynccontextmanager
async def nginx(tools: Path, folder: Path, server: str) -> AsyncIterator[Nginx]:
    """Debian's nginx with one server, a `server` block without its braces."""
    running = Nginx(folder, f"127.0.0.1:{free_port()}")
    command = (tools / "nginx", "-c", running.configure(server), "-p", folder)
    async with _serving(command, f"http://{running.ready}/", folder / "nginx.log") as process:
        running.process = process
        yield running


@asynccontextmanager
async def _serving(
    command: Sequence[str | Path], url: str, log: Path
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process that is killed in the end with its children; ready when `url` answers."""
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *command, stdout=output, stderr=output, start_new_session=True
        )
    try:
        await _wait_for(url, process, log)
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


@dataclass
class Gateway:
    url: str
    process: asyncio.subprocess.Process

    @property
    def host(self) -> str:
        return self.url.partition("://")[2]

    async def exchange(self, sent: bytes, silence: float = PATIENCE) -> bytes:
        """All answers on a new connection, see `raw_client.exchange`."""
        return await exchange(int(self.host.partition(":")[2]), sent, silence)

    async def patch(
        self, path: str, header: str
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A PATCH on a new connection. The caller writes its body."""
        reader, writer = await asyncio.open_connection(*self.host.split(":"))
        writer.write(f"PATCH {path} HTTP/1.1\r\nHost: {self.host}\r\n{header}\r\n\r\n".encode())
        return reader, writer

    async def until_uploading(self, count: int) -> None:
        """Wait until this number of uploads is in progress."""
        counted = f"registry_admission_uploads {count}.0"
        async with asyncio.timeout(PATIENCE), httpx.AsyncClient(timeout=PATIENCE) as client:
            while counted not in (await client.get(f"{self.url}/metrics")).text:
                await asyncio.sleep(0.05)

    async def kill(self) -> None:
        """Kill the process as a crash does."""
        self.process.kill()
        await self.process.wait()

    async def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self.process.wait(), PATIENCE)

    def resident_bytes(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
        assert found is not None
        return int(found[1]) * 1024


@asynccontextmanager
async def gateway(
    folder: Path, upstream: str, *flags: str, kubeconfig: Path | None = None
) -> AsyncIterator[Gateway]:
    """`registry-admission gateway`, ready, with limits from a cluster or `folder/limits`."""
    command, log = _command(folder, upstream, kubeconfig), folder / "gateway.log"
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *command, *flags, stdout=asyncio.subprocess.PIPE, stderr=output
        )
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), PATIENCE)
        found = _ANNOUNCED.search(line.decode())
        assert found is not None, _end_of(log)
        await _wait_for(f"{found[1]}/readyz", process, log)
        yield Gateway(found[1], process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def gateway_refusal(folder: Path, upstream: str) -> str:
    """The error message of a gateway that does not start."""
    result = await run(*_command(folder, upstream))
    assert result.code == 3
    return result.output


def _command(folder: Path, upstream: str, kubeconfig: Path | None = None) -> tuple[str, ...]:
    source = (
        ("--kubeconfig", str(kubeconfig))
        if kubeconfig
        else ("--state", str(folder / "limits"), "--database", str(folder / "gateway.db"))
    )
    command = (sys.executable, "-m", "app", "gateway", "--port", "0", "--upstream", upstream)
    return (*command, *source)


async def _wait_for(url: str, process: asyncio.subprocess.Process, log: Path) -> None:
    """Wait for a 200. Otherwise the error shows the last answer and the log of the process."""
    answer = "no answer"
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE), httpx.AsyncClient(trust_env=False) as client:
            while process.returncode is None:
                try:
                    response = await client.get(url)
                except httpx.TransportError as error:
                    answer = repr(error)
                else:
                    if response.status_code == 200:
                        return
                    answer = f"{response.status_code} {response.text}"
                await asyncio.sleep(0.05)
    raise AssertionError(f"{url}: {answer}; exit code {process.returncode}\n{_end_of(log)}")


def _end_of(log: Path) -> str:
    return log.read_text(errors="replace")[-4000:]
