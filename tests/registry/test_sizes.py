"""The service asks the internal registry for the size of an image that a review only names."""

import asyncio
import ssl
from pathlib import Path

import httpx
import pytest

from app.admission.review import AdmissionRequest
from app.certs import files
from app.config.settings import Settings
from app.registry.client import RegistryClient
from app.wiring import service
from app.wiring.backends import open_backend
from tests.patience import PATIENCE
from tests.ports import free_port

from .images import descriptor, digest_of, image, limits, push_blob, push_manifest
from .programs import Registry, nginx

LAYER = bytes(5000)


def by_hand(digest: str) -> AdmissionRequest:
    """A mapping without a size, as migration runbooks create it."""
    return AdmissionRequest.model_validate(
        {
            "uid": "1",
            "kind": {"group": "image.alauda.io", "version": "v1", "kind": "ImageStreamMapping"},
            "operation": "CREATE",
            "name": "app",
            "namespace": "team-a",
            "object": {
                "metadata": {"name": "app"},
                "tag": "v1",
                "image": {
                    "metadata": {"name": digest},
                    "dockerImageReference": f"registry.example.com/elsewhere@{digest}",
                },
            },
        }
    )


@pytest.mark.parametrize(("storage", "allowed"), [("4Ki", False), ("1Mi", True)])
async def test_unknown_size_is_read_from_the_registry(
    upstream: Registry, direct: httpx.AsyncClient, tmp_path: Path, storage: str, allowed: bool
) -> None:
    manifest = image("app", layers=[descriptor(LAYER, "application/vnd.oci.image.layer.v1.tar")])
    await push_blob(direct, "team-a/app")
    await push_blob(direct, "team-a/app", LAYER)
    assert (await push_manifest(direct, "team-a/app", "v1", manifest)).status_code == 201
    limits(tmp_path, "team-a", storage=storage)
    settings = Settings(state=tmp_path / "limits", registry_url=upstream.url)

    async with open_backend(settings) as backend:
        admission = service.build(settings, backend).admission
        outcome = await admission.validate(by_hand(digest_of(manifest)), within=PATIENCE)
        unknown = await admission.validate(by_hand("sha256:" + "0" * 64), within=PATIENCE)

    assert outcome.allowed is allowed, outcome.message
    assert unknown.causes == ("ImageSizeUnknown",)


_SERVER = """
listen {address} ssl;
ssl_certificate {folder}/tls/tls.crt;
ssl_certificate_key {folder}/tls/tls.key;
location / {{ proxy_pass {registry}; }}
"""


async def test_a_registry_with_a_private_authority_is_asked(
    upstream: Registry, direct: httpx.AsyncClient, tools: Path, tmp_path: Path
) -> None:
    await push_blob(direct, "team-a/app", LAYER)
    files.make(tmp_path / "tls", ["127.0.0.1"])
    address = f"127.0.0.1:{free_port()}"
    server = _SERVER.format(folder=tmp_path, address=address, registry=upstream.url)
    trust = ssl.create_default_context(cafile=tmp_path / "tls" / files.AUTHORITY)

    async with nginx(tools, tmp_path, server):
        client = RegistryClient(f"https://{address}", context=trust)
        assert await client.has_blob("team-a/app", digest_of(LAYER))
        await client.close()
        asked = f"HEAD /v2/team-a/app/blobs/{digest_of(LAYER)} HTTP/1.1"
        async with asyncio.timeout(PATIENCE):
            while asked not in (tmp_path / "access.log").read_text():  # written after the answer
                await asyncio.sleep(0.05)
