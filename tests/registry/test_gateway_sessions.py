"""Uploads that begin at one gateway and reach another one before the same registry."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.patience import PATIENCE
from tests.ports import free_port

from . import images
from .programs import Registry, gateway, nginx
from .pushers import Docker, Pusher, Skopeo, pushing

APP = "team-a/app"
SETTLED = "settled"
"""Once this file is there, the balancer sends every request to the first gateway.
A reload would not do: old workers of nginx take requests for a while beside the new ones."""
ODD_SESSIONS = """
listen {address};
client_max_body_size 0;
proxy_http_version 1.1;
proxy_set_header Host $http_host;
proxy_redirect ~^(.*)/blobs/uploads/(.*)$ $1/blobs/upload/$2;
location / {{ proxy_pass {registry}; }}
location ~ ^/v2/(?<repository>.+)/blobs/upload/(?<session>[^/]+)$ {{
  proxy_pass {registry}/v2/$repository/blobs/uploads/$session$is_args$args;
  proxy_request_buffering off;
}}
"""
BALANCER = """
listen {address};
client_max_body_size 0;
proxy_http_version 1.1;
location / {{
  set $gateway {first};
  if ($request_method = PATCH) {{ set $gateway {second}; }}
  if (-f {settled}) {{ set $gateway {first}; }}
  proxy_pass $gateway;
  proxy_set_header Host $http_host;
  proxy_request_buffering off;
}}
"""


@pytest.mark.parametrize("kind", [Skopeo, Docker])
async def test_client_whose_upload_reaches_another_gateway_starts_it_again(
    kind: type[Pusher], upstream: Registry, direct: httpx.AsyncClient, tools: Path, tmp_path: Path
) -> None:
    """A gateway after its restart is another gateway, too. docker starts a layer again by itself,
    skopeo when it is called again."""
    odd, public = (f"127.0.0.1:{free_port()}" for _ in range(2))
    (tmp_path / "odd").mkdir()
    async with (
        nginx(tools, tmp_path / "odd", ODD_SESSIONS.format(address=odd, registry=upstream.url)),
        _two_gateways(tmp_path, f"http://{odd}") as (first, second),
        nginx(tools, tmp_path / "balancer", _balancer(tmp_path, public, first, second)),
        pushing(kind, tools, tmp_path) as pusher,
    ):
        pushing_first = asyncio.create_task(pusher.push(public, f"{public}/{APP}:v1", "any"))
        lost = await _patched(tmp_path)
        (tmp_path / SETTLED).touch()
        pushed = await pushing_first
        again = await pusher.push(public, f"{public}/{APP}:v1", "any")

    assert "/blobs/uploads/gw~" in lost
    assert '" 404 ' in lost
    assert (pushed.code == 0) == (kind is Docker), pushed.output
    assert kind is Docker or "start the upload again" in pushed.output
    assert again.code == 0, again.output
    assert await images.tags(direct, APP) == {"v1"}


@pytest.mark.parametrize("kind", [Skopeo, Docker])
async def test_upload_in_a_session_of_the_registry_goes_on_at_another_gateway(
    kind: type[Pusher], upstream: Registry, direct: httpx.AsyncClient, tools: Path, tmp_path: Path
) -> None:
    public = f"127.0.0.1:{free_port()}"
    async with (
        _two_gateways(tmp_path, upstream.url) as (first, second),
        nginx(tools, tmp_path / "balancer", _balancer(tmp_path, public, first, second)),
        pushing(kind, tools, tmp_path) as pusher,
    ):
        pushed = await pusher.push(public, f"{public}/{APP}:v1", "any")
        patched = await _patched(tmp_path)

    assert pushed.code == 0, pushed.output
    assert '" 202 ' in patched
    assert await images.tags(direct, APP) == {"v1"}


@asynccontextmanager
async def _two_gateways(folder: Path, upstream: str) -> AsyncIterator[tuple[str, str]]:
    """Their addresses, each with a folder of its own, and a folder for the balancer."""
    for name in ("balancer", "second"):
        (folder / name).mkdir()
    images.limits(folder / "second", "team-a", image_tags=3)
    async with gateway(folder, upstream) as first, gateway(folder / "second", upstream) as second:
        yield first.url, second.url


async def _patched(folder: Path) -> str:
    """The first PATCH in the balancer's log."""
    log = folder / "balancer/access.log"
    async with asyncio.timeout(PATIENCE):
        while not (found := [line for line in log.read_text().splitlines() if "PATCH" in line]):
            await asyncio.sleep(0.05)
    return found[0]


def _balancer(folder: Path, address: str, first: str, second: str) -> str:
    return BALANCER.format(address=address, first=first, second=second, settled=folder / SETTLED)
