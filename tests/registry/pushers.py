"""Clients that log in to a registry, push one image and pull it, each with folders of its own."""

import asyncio
import os
import re
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.patience import PATIENCE

from . import images
from .programs import Result, run

USER = "ci"
REFUSED_LOGIN = re.compile("401|unauthorized|invalid username", re.IGNORECASE)
"""The messages of clients after a wrong password."""
_CONTAINERD = """
version = 2
root = "{folder}/root"
state = "{folder}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "{folder}/socket"
"""
_ANYTHING = '{"default": [{"type": "insecureAcceptAnything"}]}'
"""A signature policy."""


@dataclass(frozen=True)
class Client:
    """The programs and folders of one client."""

    tools: Path
    folder: Path
    layer: Path
    docker_archive: Path
    oci_archive: Path
    logs: Path

    async def run(self, program: str, *arguments: str | Path) -> Result:
        """Run a program with the folder's credentials."""
        folder = self.folder
        return await run(
            self.tools / program,
            *arguments,
            REGISTRY_AUTH_FILE=f"{folder}/auth.json",
            DOCKER_CONFIG=str(folder),
            DOCKER_HOST=f"unix://{folder}/socket",
        )


@asynccontextmanager
async def _client(tools: Path, images_folder: Path) -> AsyncIterator[Client]:
    """A client with an image of one layer of 64 KiB.

    Its own folder has a short path, because sockets and podman need one.
    """
    layer = images.layer_file(images_folder / "layer.tar", 2**16)
    docker, oci = images_folder / "docker.tar", images_folder / "oci.tar"
    made = await run(tools / "crane", "append", "-f", layer, "-t", "any/image:v1", "-o", docker)
    assert made.code == 0, made.output
    copy = ("copy", f"docker-archive:{docker}", f"oci-archive:{oci}:v1")
    converted = await run(tools / "skopeo", "--insecure-policy", *copy)
    assert converted.code == 0, converted.output
    with TemporaryDirectory(prefix="ra-") as short:
        (Path(short) / "policy.json").write_text(_ANYTHING)
        yield Client(tools, Path(short), layer, docker, oci, images_folder)


class Pusher(ABC):
    """The steps of a test with one client."""

    tells_why = True
    """Whether the client prints the message of a refusal."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def daemon(self) -> AbstractAsyncContextManager[None]:
        """The daemon of the client, if it has one."""
        return nullcontext()

    @abstractmethod
    async def push(self, host: str, target: str, password: str) -> Result:
        """Log in, and push the image to `target`. Returns the first command that fails."""

    @abstractmethod
    async def pull(self, target: str, password: str) -> Result:
        """Pull what `push` has stored, into a place that does not have it."""

    async def _in_turn(self, program: str, *commands: Sequence[str | Path]) -> Result:
        for command in commands:
            result = await self.client.run(program, *command)
            if result.code:
                break
        return result


class Skopeo(Pusher):
    async def push(self, host: str, target: str, password: str) -> Result:
        source = f"oci-archive:{self.client.oci_archive}"
        flags = ("--insecure-policy", "copy", "--dest-tls-verify=false")
        return await self._in_turn(
            "skopeo",
            ("login", "--tls-verify=false", "-u", USER, "-p", password, host),
            (*flags, source, f"docker://{target}"),
        )

    async def pull(self, target: str, password: str) -> Result:
        flags = ("--insecure-policy", "copy", "--src-tls-verify=false")
        place = f"dir:{self.client.folder}/pulled"
        return await self.client.run("skopeo", *flags, f"docker://{target}", place)


class Crane(Pusher):
    async def push(self, host: str, target: str, password: str) -> Result:
        return await self._in_turn(
            "crane",
            ("auth", "login", host, "-u", USER, "-p", password),
            ("append", "-f", self.client.layer, "-t", target),
        )

    async def pull(self, target: str, password: str) -> Result:
        return await self.client.run("crane", "pull", target, self.client.folder / "pulled.tar")


class Buildah(Pusher):
    program = "buildah"

    @property
    def storage(self) -> tuple[str, ...]:
        folder = self.client.folder
        return (
            *("--root", f"{folder}/storage", "--runroot", f"{folder}/run"),
            *("--storage-driver", "vfs"),
        )

    async def push(self, host: str, target: str, password: str) -> Result:
        allowed = ("--signature-policy", self.client.folder / "policy.json")
        local = f"docker-archive:{self.client.docker_archive}"
        return await self._in_turn(
            self.program,
            (*self.storage, "login", "--tls-verify=false", "-u", USER, "-p", password, host),
            (*self.storage, "pull", *allowed, "-q", local),
            (*self.storage, "push", *allowed, "--tls-verify=false", "any/image:v1", target),
        )

    async def pull(self, target: str, password: str) -> Result:
        allowed = ("--signature-policy", self.client.folder / "policy.json")
        return await self._in_turn(
            self.program,
            (*self.storage, "rmi", "--all", "--force"),
            (*self.storage, "pull", *allowed, "--tls-verify=false", target),
        )


class Podman(Buildah):
    program = "podman"

    @property
    def storage(self) -> tuple[str, ...]:
        """podman looks for conmon, which it needs for containers only."""
        host = ("--events-backend", "none", "--cgroup-manager", "cgroupfs")
        return (*super().storage, *host, "--conmon", f"{self.client.tools}/conmon")


class Docker(Pusher):
    @asynccontextmanager
    async def daemon(self) -> AsyncIterator[None]:
        """dockerd, which starts its own containerd and needs root. Its mounts end with it."""
        folder = self.client.folder
        (folder / "daemon.json").write_text("{}")
        command = (
            *("unshare", "--mount", self.client.tools / "dockerd"),
            *("--config-file", folder / "daemon.json"),
            *("--host", f"unix://{folder}/socket", "--pidfile", folder / "pid"),
            *("--data-root", folder / "data", "--exec-root", folder / "exec"),
            *("--storage-driver", "vfs", "--bridge=none", "--iptables=false", "--ip6tables=false"),
        )
        path = f"{self.client.tools}:{os.environ['PATH']}"
        async with _daemon(self.client.logs / "dockerd.log", command, path, self._answers):
            yield

    async def _answers(self) -> bool:
        return (await self.client.run("docker", "version")).code == 0

    async def push(self, host: str, target: str, password: str) -> Result:
        return await self._in_turn(
            "docker",
            ("login", "-u", USER, "-p", password, host),
            ("load", "-q", "-i", self.client.docker_archive),
            ("tag", "any/image:v1", target),
            ("push", target),
        )

    async def pull(self, target: str, password: str) -> Result:
        return await self._in_turn(
            "docker", ("rmi", "--force", target, "any/image:v1"), ("pull", target)
        )


class Containerd(Pusher):
    tells_why = False
    """ctr prints the status only."""

    @asynccontextmanager
    async def daemon(self) -> AsyncIterator[None]:
        folder = self.client.folder
        config = folder / "containerd.toml"
        config.write_text(_CONTAINERD.format(folder=folder))
        command = (self.client.tools / "containerd", "-c", config)
        log = self.client.logs / "containerd.log"
        async with _daemon(log, command, os.environ["PATH"], self._answers):
            yield

    async def _answers(self) -> bool:
        return (await self._ctr("version")).code == 0

    async def push(self, host: str, target: str, password: str) -> Result:
        flags = ("--no-unpack", "--index-name", target)
        imported = await self._ctr("images", "import", *flags, self.client.oci_archive)
        assert imported.code == 0, imported.output
        access = ("--plain-http", "-u", f"{USER}:{password}")
        return await self._ctr("images", "push", *access, target)

    async def pull(self, target: str, password: str) -> Result:
        removed = await self._ctr("images", "remove", "--sync", target)
        assert removed.code == 0, removed.output
        access = ("--plain-http", "-u", f"{USER}:{password}")
        return await self._ctr("content", "fetch", *access, target)

    async def _ctr(self, *arguments: str | Path) -> Result:
        """ctr 1.6 can wait for ever after the second 401 of a manifest's PUT."""
        ctr = (self.client.tools / "ctr", "-a", f"{self.client.folder}/socket")
        return await run("timeout", "20", *ctr, *arguments)


@asynccontextmanager
async def pushing(kind: type[Pusher], tools: Path, folder: Path) -> AsyncIterator[Pusher]:
    """A client of this kind, ready to push. Its images are made in `folder`."""
    async with _client(tools, folder) as own:
        pusher = kind(own)
        async with pusher.daemon():
            yield pusher


PUSHERS: tuple[type[Pusher], ...] = (Skopeo, Crane, Buildah, Podman, Docker, Containerd)


@asynccontextmanager
async def _daemon(
    log: Path, command: Sequence[str | Path], path: str, answers: Callable[[], Awaitable[bool]]
) -> AsyncIterator[None]:
    """A process that has ended at the end of the block; ready when `answers` is true."""
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *command, stdout=output, stderr=output, env={**os.environ, "PATH": path}
        )
    try:
        async with asyncio.timeout(PATIENCE):
            while not await answers():
                await asyncio.sleep(0.1)
        yield
    finally:
        if process.returncode is None:
            process.terminate()
            await asyncio.wait_for(process.wait(), PATIENCE)
