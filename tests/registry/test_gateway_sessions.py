"""A registry that spells its upload sessions in its own way, behind two gateways."""

import asyncio
from pathlib import Path

import httpx

from . import images
from .programs import Registry, free_port, gateway, nginx
from .pushers import Skopeo, pushing

APP = "team-a/app"
ODD_SESSIONS = """
listen {address};
client_max_body_size 0;
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
location / {{
  set $gateway {first};
  if ($request_method = PATCH) {{ set $gateway {of_patches}; }}
  proxy_pass $gateway;
  proxy_set_header Host $http_host;
  proxy_request_buffering off;
}}
"""


async def test_client_whose_upload_reaches_another_gateway_is_told_to_start_it_again(
    upstream: Registry, direct: httpx.AsyncClient, tools: Path, tmp_path: Path
) -> None:
    """A gateway after its restart is another gateway, too."""
    odd, public = (f"127.0.0.1:{free_port()}" for _ in range(2))
    for folder in ("odd", "balancer", "second"):
        (tmp_path / folder).mkdir()
    images.limits(tmp_path / "second", "team-a", image_tags=3)
    async with (
        nginx(tools, tmp_path / "odd", ODD_SESSIONS.format(address=odd, registry=upstream.url)),
        gateway(tmp_path, f"http://{odd}") as first,
        gateway(tmp_path / "second", f"http://{odd}") as second,
        nginx(tools, tmp_path / "balancer", _balancer(public, first.url, second.url)) as balancer,
        pushing(Skopeo, tools, tmp_path) as pusher,
    ):
        pushing_first = asyncio.create_task(pusher.push(public, f"{public}/{APP}:v1", "any"))
        log = tmp_path / "balancer/access.log"
        async with asyncio.timeout(60):
            while not (lost := [line for line in log.read_text().splitlines() if "PATCH" in line]):
                await asyncio.sleep(0.05)
        balancer.reload(_balancer(public, first.url, first.url))
        pushed = await pushing_first
        again = await pusher.push(public, f"{public}/{APP}:v1", "any")

    assert "/blobs/uploads/gw~" in lost[0]
    assert '" 404 ' in lost[0]
    assert pushed.code != 0
    assert "start the upload again" in pushed.output
    assert again.code == 0, again.output
    assert await images.tags(direct, APP) == {"v1"}


def _balancer(address: str, first: str, of_patches: str) -> str:
    return BALANCER.format(address=address, first=first, of_patches=of_patches)
