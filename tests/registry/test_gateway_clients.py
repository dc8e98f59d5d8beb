"""Clients log in through the gateway before a registry with users, push, pull and read refusals."""

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from . import images
from .programs import Gateway, Registry, gateway, registry
from .pushers import PUSHERS, REFUSED_LOGIN, USER, Pusher, pushing
from .test_proxy import HTPASSWD, TOKEN


@pytest_asyncio.fixture
async def upstream(tools: Path, tmp_path: Path) -> AsyncIterator[Registry]:
    images.limits(tmp_path, "full", image_tags=0)
    images.limits(tmp_path, "small", storage="32Ki")
    (tmp_path / "htpasswd").write_text(HTPASSWD)
    auth = {"htpasswd": {"realm": "test", "path": str(tmp_path / "htpasswd")}}
    async with registry(tools, tmp_path, auth=auth) as running:
        yield running


@pytest_asyncio.fixture
async def gate(upstream: Registry, tmp_path: Path) -> AsyncIterator[Gateway]:
    config = tmp_path / "config.json"
    known = base64.b64encode(f"{USER}:{TOKEN}".encode()).decode()
    config.write_text(json.dumps({"auths": {upstream.host: {"auth": known}}}))
    async with gateway(tmp_path, upstream.url, "--upstream-auth", str(config)) as running:
        yield running


@pytest.mark.parametrize("kind", PUSHERS)
async def test_client_pushes_and_pulls_through_the_gateway_and_reads_refusals(
    tools: Path, tmp_path: Path, gate: Gateway, direct: httpx.AsyncClient, kind: type[Pusher]
) -> None:
    host = gate.host
    async with pushing(kind, tools, tmp_path) as pusher:
        stranger = await pusher.push(host, f"{host}/team-a/app:v2", "wrong")
        full = await pusher.push(host, f"{host}/full/app:v1", TOKEN)
        large = await pusher.push(host, f"{host}/small/app:v1", TOKEN)
        pushed = await pusher.push(host, f"{host}/team-a/app:v1", TOKEN)
        pulled = await pusher.pull(f"{host}/team-a/app:v1", TOKEN)
    direct.auth = httpx.BasicAuth(USER, TOKEN)

    assert pushed.code == 0, pushed.output
    assert pulled.code == 0, pulled.output
    assert 0 not in (full.code, large.code, stranger.code)
    assert REFUSED_LOGIN.search(stranger.output), stranger.output
    if pusher.tells_why:
        assert "exceeded quota: limits, requested: alauda.io/image-tags=1" in full.output
        assert "exceeds the maximum limit per alauda.io/Image (" in large.output
    assert await images.tags(direct, "team-a/app") == {"v1"}
    assert await images.tags(direct, "full/app") == set()
