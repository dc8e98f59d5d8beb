"""Registry clients push through nginx, as docs/how-to/push-checks.md configures it."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.certs import files
from tests.api.service import serve

from . import images
from .programs import Result, free_port, nginx, registry, run
from .test_proxy import HTPASSWD, TOKEN

DOCUMENT = Path(__file__).parents[2] / "docs/how-to/push-checks.md"
CONTAINERD = """
version = 2
root = "{folder}/root"
state = "{folder}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "{folder}/socket"
"""


def blocks(*titles: str) -> str:
    """The nginx blocks of the document with these titles."""
    text = DOCUMENT.read_text()
    found = dict(re.findall(r'```nginx title="([^"]+)"\n(.*?)```', text, re.DOTALL))
    return "\n".join(found[title] for title in titles)


@dataclass(frozen=True)
class Client:
    """The programs and folders of one client."""

    tools: Path
    folder: Path
    archive: Path

    @property
    def environment(self) -> dict[str, str]:
        folder = self.folder
        return {"REGISTRY_AUTH_FILE": f"{folder}/auth.json", "DOCKER_CONFIG": str(folder)}


async def skopeo(client: Client, host: str, target: str, password: str) -> Result:
    program, environment = client.tools / "skopeo", client.environment
    login = ("login", "--tls-verify=false", "-u", "ci", "-p", password, host)
    logged_in = await run(program, *login, **environment)
    if logged_in.code:
        return logged_in
    source = f"oci-archive:{client.archive}"
    copy = ("--insecure-policy", "copy", "--dest-tls-verify=false", source, f"docker://{target}")
    return await run(program, *copy, **environment)


async def buildah(client: Client, host: str, target: str, password: str) -> Result:
    folders = ("--root", f"{client.folder}/storage", "--runroot", f"{client.folder}/run")
    storage = (*folders, "--storage-driver", "vfs")
    program, environment = client.tools / "buildah", client.environment
    login = ("login", "--tls-verify=false", "-u", "ci", "-p", password, host)
    logged_in = await run(program, *storage, *login, **environment)
    if logged_in.code:
        return logged_in
    policy = client.folder / "policy.json"
    policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    allowed = ("--signature-policy", str(policy))
    source = f"oci-archive:{client.archive}"
    pulled = await run(program, *storage, "pull", *allowed, "-q", source, **environment)
    assert pulled.code == 0, pulled.output
    image = pulled.output.split()[-1]
    push = ("push", *allowed, "--tls-verify=false", image, f"docker://{target}")
    return await run(program, *storage, *push, **environment)


async def crane(client: Client, host: str, target: str, password: str) -> Result:
    program, environment = client.tools / "crane", client.environment
    logged_in = await run(program, "auth", "login", host, "-u", "ci", "-p", password, **environment)
    if logged_in.code:
        return logged_in
    layer = client.folder.parent / "layer.tar"
    return await run(program, "append", "-f", layer, "-t", target, **environment)


async def containerd(client: Client, host: str, target: str, password: str) -> Result:
    async with containerd_daemon(client) as ctr:
        imported = await run(*ctr, "import", "--no-unpack", "--index-name", target, client.archive)
        assert imported.code == 0, imported.output
        # ctr 1.6 can wait for ever after the second 401 of a manifest's PUT.
        bounded = ("timeout", "20", *ctr)
        return await run(*bounded, "push", "--plain-http", "-u", f"ci:{password}", target)


@asynccontextmanager
async def containerd_daemon(client: Client) -> AsyncIterator[tuple[str | Path, ...]]:
    """The `ctr images` command of a new containerd."""
    folder = client.folder
    config = folder / "containerd.toml"
    config.write_text(CONTAINERD.format(folder=folder))
    with (folder / "containerd.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            client.tools / "containerd", "-c", config, stdout=log, stderr=log
        )
    ctr = (client.tools / "ctr", "-a", f"{folder}/socket")
    try:
        async with asyncio.timeout(30):
            while (await run(*ctr, "version")).code:
                await asyncio.sleep(0.1)
        yield *ctr, "images"
    finally:
        process.terminate()
        await process.wait()


@asynccontextmanager
async def proxy(tools: Path, folder: Path, *, users: bool) -> AsyncIterator[str]:
    """`host:port` of nginx before a registry with users of its own, or without any."""
    images.limits(folder, "full", image_tags=0)
    (folder / "htpasswd").write_text(HTPASSWD)
    (folder / "tokens").write_text(f"{TOKEN} ci team-a,full\n")
    htpasswd = {"htpasswd": {"realm": "test", "path": str(folder / "htpasswd")}}
    settings: dict[str, Any] = {"auth": htpasswd} if users else {}
    address = f"127.0.0.1:{free_port()}"
    flags = (
        *("--state", str(folder / "limits"), "--push-tokens", str(folder / "tokens")),
        *("--push-proxy", "nginx"),
    )
    async with registry(tools, folder, **settings) as upstream, serve(folder, *flags) as service:
        server = blocks("nginx.conf", *([] if users else ["login.conf"]))
        server = server.replace("http://registry:5000", upstream.url)
        server = server.replace("https://registry-admission:8443", service.url)
        authority = folder / "tls" / files.AUTHORITY
        trust = f"proxy_ssl_trusted_certificate {authority}; proxy_ssl_name localhost;"
        server = f"listen {address}; proxy_ssl_verify on; {trust}\n{server}"
        async with nginx(tools, folder, server):
            yield address


Push = Callable[[Client, str, str, str], Awaitable[Result]]


@pytest.mark.parametrize("users", [True, False], ids=["its own users", "no users"])
@pytest.mark.parametrize("push", [skopeo, buildah, crane, containerd])
async def test_client_logs_in_through_nginx_pushes_and_reads_the_refusal(
    tools: Path, tmp_path: Path, push: Push, users: bool
) -> None:
    layer = images.layer_file(tmp_path / "layer.tar", 2**16)
    archive = tmp_path / "image.tar"
    made = await run(
        tools / "crane", "append", "-f", layer, "-t", "any/image:v1", "-o", tmp_path / "docker.tar"
    )
    assert made.code == 0, made.output
    source, target = f"docker-archive:{tmp_path}/docker.tar", f"oci-archive:{archive}:v1"
    converted = await run(tools / "skopeo", "--insecure-policy", "copy", source, target)
    assert converted.code == 0, converted.output
    (tmp_path / "client").mkdir()
    client = Client(tools, tmp_path / "client", archive)

    async with proxy(tools, tmp_path, users=users) as host:
        pushed = await push(client, host, f"{host}/team-a/app:v1", TOKEN)
        full = await push(client, host, f"{host}/full/app:v1", TOKEN)
        stranger = await push(client, host, f"{host}/team-a/app:v2", "wrong")
        async with httpx.AsyncClient(auth=("ci", TOKEN)) as reader:
            stored = await reader.get(f"http://{host}/v2/team-a/app/tags/list")

    assert pushed.code == 0, pushed.output
    assert full.code != 0
    if push is not containerd:  # ctr prints the status only
        assert "exceeded quota: limits, requested: alauda.io/image-tags=1" in full.output
    assert stranger.code != 0
    assert stored.json()["tags"] == ["v1"]
