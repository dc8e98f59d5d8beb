"""A host name moves from the legacy gateway to this one and back, as docs/how-to/gateway.md says.

nginx stands for the Ingress controller, which reloads its configuration.
"""

import asyncio
from pathlib import Path

import httpx

from tests.patience import PATIENCE
from tests.ports import free_port

from . import images
from .programs import NO_KEEP_ALIVE, Clients, Registry, gateway, nginx

PROXY = """
listen {address};
client_max_body_size 0;
location / {{
  proxy_pass {upstream};
  proxy_http_version 1.1;
  proxy_set_header Host $http_host;
  proxy_set_header X-Forwarded-Proto $scheme;
  proxy_request_buffering off;
  proxy_buffering off;
}}
"""
APP = "team-a/app"
PULLS = 5
"""Pulls that have to end before the next move. Only the gateway has `/readyz`."""


async def test_no_pull_and_no_upload_fails_while_a_host_name_moves_and_comes_back(
    upstream: Registry, clients: Clients, tools: Path, tmp_path: Path
) -> None:
    images.limits(tmp_path, "team-a", storage="64Mi", image_tags=10)
    layer = images.layer_file(tmp_path / "layer.tar", 8 * 2**20)
    pushed = await clients.crane("append", "-f", layer, "-t", f"{upstream.host}/{APP}:v1")
    assert pushed.code == 0, pushed.output
    legacy, public = (f"127.0.0.1:{free_port()}" for _ in range(2))
    for folder in ("legacy", "ingress"):
        (tmp_path / folder).mkdir()
    before = PROXY.format(address=public, upstream=f"http://{legacy}")
    failures: list[str] = []
    pulls: list[int] = []
    async with (
        nginx(tools, tmp_path / "legacy", PROXY.format(address=legacy, upstream=upstream.url)),
        gateway(tmp_path, upstream.url) as gate,
        nginx(tools, tmp_path / "ingress", before) as ingress,
        httpx.AsyncClient(
            base_url=f"http://{public}", limits=NO_KEEP_ALIVE, timeout=PATIENCE
        ) as client,
    ):
        pulling = asyncio.create_task(
            _pull(clients, f"{public}/{APP}:v1", tmp_path, failures, pulls)
        )
        session, content = await images.begin_upload(client, APP), b""
        after = PROXY.format(address=public, upstream=gate.url)
        for server, status in ((before, 404), (after, 200), (before, 404)):
            ingress.reload(server)
            async with asyncio.timeout(PATIENCE):
                while (await client.get("/readyz")).status_code != status:
                    await asyncio.sleep(0.05)
            seen = len(pulls)
            while len(pulls) < seen + PULLS and not failures:
                await asyncio.sleep(0.05)
            part = bytes([len(content) % 251]) * 2**20
            patched = await client.patch(session, content=part)
            assert patched.status_code == 202, patched.text
            session, content = patched.headers["location"], content + part
        final = httpx.URL(session).copy_merge_params({"digest": images.digest_of(content)})
        uploaded = await client.put(final)
        pulling.cancel()

    assert failures == []
    assert uploaded.status_code == 201


async def _pull(
    clients: Clients, image: str, folder: Path, failures: list[str], pulls: list[int]
) -> None:
    while True:
        result = await clients.crane("pull", image, folder / "pulled.tar")
        pulls.append(result.code)
        if result.code:
            failures.append(result.output)
