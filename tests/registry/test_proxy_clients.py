"""Registry clients push through nginx, as docs/how-to/push-checks.md configures it."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.certs import files
from tests.api.service import serve
from tests.patience import PATIENCE
from tests.ports import free_port

from . import images
from .programs import nginx, registry
from .pushers import PUSHERS, REFUSED_LOGIN, Pusher, pushing
from .test_proxy import HTPASSWD, TOKEN

DOCUMENT = Path(__file__).parents[2] / "docs/how-to/push-checks.md"


def blocks(*titles: str) -> str:
    """The nginx blocks of the document with these titles."""
    text = DOCUMENT.read_text()
    found = dict(re.findall(r'```nginx title="([^"]+)"\n(.*?)```', text, re.DOTALL))
    return "\n".join(found[title] for title in titles)


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


@pytest.mark.parametrize("users", [True, False], ids=["its own users", "no users"])
@pytest.mark.parametrize("kind", PUSHERS)
async def test_client_pushes_and_pulls_through_nginx_and_reads_the_refusal(
    tools: Path, tmp_path: Path, kind: type[Pusher], users: bool
) -> None:
    async with (
        proxy(tools, tmp_path, users=users) as host,
        pushing(kind, tools, tmp_path) as pusher,
    ):
        stranger = await pusher.push(host, f"{host}/team-a/app:v2", "wrong")
        full = await pusher.push(host, f"{host}/full/app:v1", TOKEN)
        pushed = await pusher.push(host, f"{host}/team-a/app:v1", TOKEN)
        pulled = await pusher.pull(f"{host}/team-a/app:v1", TOKEN)
        async with httpx.AsyncClient(auth=("ci", TOKEN), timeout=PATIENCE) as reader:
            stored = await reader.get(f"http://{host}/v2/team-a/app/tags/list")

    assert pushed.code == 0, pushed.output
    assert pulled.code == 0, pulled.output
    assert full.code != 0
    if pusher.tells_why:
        assert "exceeded quota: limits, requested: alauda.io/image-tags=1" in full.output
    assert stranger.code != 0
    assert REFUSED_LOGIN.search(stranger.output), stranger.output
    assert stored.json()["tags"] == ["v1"]
