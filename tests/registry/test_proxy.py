"""nginx of Debian asks the service before it passes a push on to the registry."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from app.certs import files
from tests.api.service import serve
from tests.patience import PATIENCE
from tests.ports import free_port

from . import images
from .programs import Clients, nginx, registry

TOKEN = "0123456789abcdef"
HTPASSWD = "ci:$2y$05$abcdefghijklmnopqrstuuj.Rv.qwfKG7B1wzN.38Jh.6GGs18mW6\n"
MIB = 2**20
_SERVER = """
listen {address};
client_max_body_size 0;
location /v2/ {{
  auth_request /push-check;
  auth_request_set $refusal $upstream_http_x_registry_error;
  error_page 403 = @refused;
  proxy_pass {registry};
  proxy_set_header Host $http_host;
  proxy_request_buffering off;
}}
location = /push-check {{
  internal;
  proxy_pass {service}/v1/push/authorize;
  proxy_ssl_trusted_certificate {authority};
  proxy_ssl_verify on;
  proxy_ssl_name localhost;
  proxy_pass_request_body off;
  proxy_set_header Content-Length "";
  proxy_set_header X-Original-Method $request_method;
  proxy_set_header X-Original-URI $request_uri;
  proxy_set_header X-Original-Content-Length $http_content_length;
}}
location @refused {{
  default_type application/json;
  return 403 $refusal;
}}
"""


@pytest_asyncio.fixture
async def proxy(tools: Path, tmp_path: Path) -> AsyncIterator[str]:
    """`host:port` of nginx before a registry with one user, whose password is a known token."""
    images.limits(tmp_path, "team-a", storage="1Mi")
    images.limits(tmp_path, "full", image_tags=0)
    (tmp_path / "htpasswd").write_text(HTPASSWD)
    (tmp_path / "tokens").write_text(f"{TOKEN} ci team-a,full\n")
    auth = {"htpasswd": {"realm": "test", "path": str(tmp_path / "htpasswd")}}
    address = f"127.0.0.1:{free_port()}"
    flags = (
        *("--state", str(tmp_path / "limits"), "--push-tokens", str(tmp_path / "tokens")),
        *("--push-proxy", "nginx"),
    )
    async with registry(tools, tmp_path, auth=auth) as upstream, serve(tmp_path, *flags) as service:
        server = _SERVER.format(
            address=address,
            registry=upstream.url,
            service=service.url,
            authority=tmp_path / "tls" / files.AUTHORITY,
        )
        async with nginx(tools, tmp_path, server):
            yield address


async def test_nginx_passes_the_refusal_to_the_client(
    proxy: str, clients: Clients, tmp_path: Path
) -> None:
    layer = images.layer_file(tmp_path / "layer.tar", MIB // 2)
    login = await clients.crane("auth", "login", proxy, "-u", "ci", "-p", TOKEN)
    assert login.code == 0, login.output

    pushed = await clients.crane("append", "-f", layer, "-t", f"{proxy}/team-a/app:v1")
    refused = await clients.crane("append", "-f", layer, "-t", f"{proxy}/full/app:v1")

    assert pushed.code == 0, pushed.output
    assert refused.code != 0
    assert "exceeded quota: limits, requested: alauda.io/image-tags=1" in refused.output


@pytest.mark.parametrize(
    ("path", "size", "status", "message"),
    [
        pytest.param("team-a/app/blobs/uploads/", MIB, 202, "", id="small"),
        pytest.param(
            "team-a/app/blobs/uploads/", 2 * MIB, 403, "(2Mi > 1Mi)", id="one that does not"
        ),
        pytest.param("team-b/app/blobs/uploads/", 1, 403, "may not push", id="elsewhere"),
        pytest.param("app/blobs/uploads/", 1, 403, "of the form", id="no namespace"),
    ],
)
async def test_a_blob_is_held_against_the_limit(
    proxy: str, path: str, size: int, status: int, message: str
) -> None:
    async with httpx.AsyncClient(auth=("ci", TOKEN), timeout=PATIENCE) as client:
        answer = await client.post(f"http://{proxy}/v2/{path}", content=bytes(size))

    assert answer.status_code == status
    if message:
        [error] = answer.json()["errors"]
        assert message in error["message"]


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"X-Original-Method": "GET", "X-Original-URI": "/v2/"}, id="its own"),
        pytest.param({"X-Forwarded-Method": "GET", "X-Forwarded-Uri": "/v2/"}, id="Traefik's"),
        pytest.param({"X-Original-Content-Length": "1"}, id="another length"),
    ],
)
async def test_headers_of_the_client_do_not_pass_a_limit(
    proxy: str, headers: dict[str, str]
) -> None:
    async with httpx.AsyncClient(auth=("ci", TOKEN), headers=headers, timeout=PATIENCE) as client:
        answer = await client.post(
            f"http://{proxy}/v2/team-a/app/blobs/uploads/", content=bytes(2 * MIB)
        )

    assert answer.status_code == 403


async def test_unauthenticated_client_learns_nothing(proxy: str) -> None:
    for auth in (None, ("ci", "wrong")):
        async with httpx.AsyncClient(auth=auth, timeout=PATIENCE) as client:
            answer = await client.post(
                f"http://{proxy}/v2/team-a/app/blobs/uploads/", content=bytes(2 * MIB)
            )
        assert answer.status_code == 401
        assert "Mi" not in answer.text
