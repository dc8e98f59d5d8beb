"""Registry clients work through the gateway as they do without it."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.patience import PATIENCE

from . import images
from .programs import Clients, Gateway, Registry, gateway

MIB = 2**20


async def test_push_pull_copy_and_delete_with_crane(
    gate: Gateway, direct: httpx.AsyncClient, clients: Clients, tmp_path: Path
) -> None:
    layer = images.layer_file(tmp_path / "layer.tar", 3 * MIB)
    app = f"{gate.host}/team-a/app"

    assert (await clients.crane("append", "-f", layer, "-t", f"{app}:v1")).code == 0
    assert (await clients.crane("pull", f"{app}:v1", tmp_path / "pulled.tar")).code == 0
    assert (await clients.crane("copy", f"{app}:v1", f"{gate.host}/team-b/app:v1")).code == 0
    assert (await clients.crane("validate", "--remote", f"{app}:v1")).code == 0
    assert (await clients.crane("ls", app)).output.split() == ["v1"]
    digest = (await clients.crane("digest", f"{app}:v1")).output.strip()
    assert (await clients.crane("delete", f"{app}@{digest}")).code == 0

    assert await images.tags(direct, "team-a/app") == set()
    assert await images.tags(direct, "team-b/app") == {"v1"}


async def test_push_copy_and_inspect_with_skopeo(
    gate: Gateway, direct: httpx.AsyncClient, clients: Clients, tmp_path: Path
) -> None:
    layer = images.layer_file(tmp_path / "layer.tar", 3 * MIB)
    archive = tmp_path / "image.tar"
    await clients.crane("append", "-f", layer, "-t", "any/image:v1", "-o", archive)
    first, second = f"docker://{gate.host}/team-a/app:v1", f"docker://{gate.host}/team-b/app:v2"

    for source, target in (
        (f"docker-archive:{archive}", first),
        (first, second),
        (second, f"dir:{tmp_path / 'pulled'}"),
    ):
        copied = await clients.skopeo_copy(source, target)
        assert copied.code == 0, copied.output

    [stored] = json.loads((tmp_path / "pulled" / "manifest.json").read_text())["layers"]
    assert stored["size"] > 3 * MIB
    assert await images.tags(direct, "team-b/app") == {"v2"}


async def test_an_index_of_two_images(
    gate: Gateway, direct: httpx.AsyncClient, clients: Clients, tmp_path: Path
) -> None:
    app = f"{gate.host}/team-a/app"
    for name in ("one", "two"):
        layer = images.layer_file(tmp_path / f"{name}.tar", MIB)
        assert (await clients.crane("append", "-f", layer, "-t", f"{app}:{name}")).code == 0
    both = ("-m", f"{app}:one", "-m", f"{app}:two")

    appended = await clients.crane("index", "append", *both, "-t", f"{app}:both")
    assert appended.code == 0, appended.output
    copied = await clients.skopeo_copy(
        f"docker://{app}:both", f"docker://{gate.host}/team-b/app:both", "--all"
    )
    assert copied.code == 0, copied.output

    accept = {"Accept": ", ".join(images.INDEXES)}
    index = (await direct.get("/v2/team-b/app/manifests/both", headers=accept)).json()
    assert len(index["manifests"]) == 2


async def test_a_blob_is_mounted_from_another_repository(
    client: httpx.AsyncClient, direct: httpx.AsyncClient
) -> None:
    content = b"a blob"
    digest = images.digest_of(content)
    assert (await images.push_blob(client, "team-a/app", content)).status_code == 201

    mounted = await client.post(
        "/v2/team-b/app/blobs/uploads/", params={"mount": digest, "from": "team-a/app"}
    )

    assert mounted.status_code == 201
    assert (await direct.head(f"/v2/team-b/app/blobs/{digest}")).status_code == 200


async def test_a_referrer_is_stored_with_its_subject(client: httpx.AsyncClient) -> None:
    await images.push_blob(client, "team-a/app")
    subject = images.image("subject")
    referrer = images.image(
        "referrer",
        artifactType="application/example",
        subject=images.descriptor(subject, images.OCI_MANIFEST),
    )
    digest = images.digest_of(referrer)
    await images.push_manifest(client, "team-a/app", "v1", subject)

    assert (await images.push_manifest(client, "team-a/app", digest, referrer)).status_code == 201

    accept = {"Accept": images.OCI_MANIFEST}
    answer = await client.get(f"/v2/team-a/app/manifests/{digest}", headers=accept)
    assert answer.content == referrer


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        pytest.param("GET", "/v2/", {}, id="version"),
        pytest.param("GET", "/v2/_catalog", {"n": "1"}, id="catalog"),
        pytest.param("GET", "/v2/team-a/app/tags/list", {}, id="tags"),
        pytest.param("GET", "/v2/team-a/app/tags/list?n=1", {}, id="a page of tags"),
        pytest.param("GET", "/v2/team-a/none/tags/list", {}, id="no such repository"),
        pytest.param("GET", "/v2/team-a/app/manifests/none", {}, id="no such tag"),
        pytest.param("GET", "/v2/team-a/app/referrers/{digest}", {}, id="referrers"),
        pytest.param("HEAD", "/v2/team-a/app/blobs/{digest}", {}, id="head of a blob"),
        pytest.param("GET", "/v2/team-a/app/blobs/{digest}", {"Range": "bytes=2-4"}, id="range"),
        pytest.param("GET", "/v2/team-a/app/blobs/{digest}", {}, id="blob"),
        pytest.param("GET", "/v2/team-a/app/blobs/sha256:0", {}, id="no digest"),
        pytest.param("GET", "/v2/_nothing", {}, id="no such path"),
        pytest.param("DELETE", "/v2/team-a/app/manifests/v1", {}, id="deletion of a tag"),
    ],
)
async def test_gateway_passes_the_registrys_answer(
    client: httpx.AsyncClient,
    direct: httpx.AsyncClient,
    method: str,
    path: str,
    headers: dict[str, str],
) -> None:
    content = b"0123456789"
    await images.push_blob(direct, "team-a/app", content)
    await images.push_blob(direct, "team-a/app")
    for tag in ("v1", "v2"):
        await images.push_manifest(direct, "team-a/app", tag, images.image(tag))
    path = path.format(digest=images.digest_of(content))

    through = await client.request(method, path, headers=headers)
    itself = await direct.request(method, path, headers=headers)

    assert comparable(through) == comparable(itself)


async def test_an_upload_goes_on_at_addresses_of_the_gateway(
    gate: Gateway, upstream: Registry, client: httpx.AsyncClient
) -> None:
    for url, host, scheme, expected in (
        (gate.url, "", "", gate.url),
        (gate.url, "registry.example.com", "https", "https://registry.example.com"),
    ):
        headers = {"X-Forwarded-Host": host, "X-Forwarded-Proto": scheme} if host else {}
        started = await client.post(f"{url}/v2/team-a/app/blobs/uploads/", headers=headers)
        assert started.headers["location"].startswith(f"{expected}/v2/team-a/app/blobs/uploads/")


async def test_a_configured_address_counts_for_every_client(
    upstream: Registry, tmp_path: Path
) -> None:
    external = "https://registry.example.com:8443"
    async with (
        gateway(tmp_path, upstream.url, "--external-url", external) as gate,
        httpx.AsyncClient(base_url=gate.url, timeout=PATIENCE) as client,
    ):
        started = await client.post("/v2/team-a/app/blobs/uploads/")

    assert started.headers["location"].startswith(f"{external}/v2/team-a/app/blobs/uploads/")


async def test_an_upload_is_resumed(client: httpx.AsyncClient) -> None:
    content = b"0123456789"
    started = await client.post("/v2/team-a/app/blobs/uploads/")
    location = httpx.URL(started.headers["location"])
    for part in (content[:4], content[4:]):
        patched = await client.patch(location, content=part)
        assert patched.status_code == 202
        location = httpx.URL(patched.headers["location"])
    assert patched.headers["range"] == "0-9"

    done = await client.put(location.copy_merge_params({"digest": images.digest_of(content)}))

    assert done.status_code == 201
    answer = await client.get(f"/v2/team-a/app/blobs/{images.digest_of(content)}")
    assert answer.content == content


def comparable(answer: httpx.Response) -> dict[str, Any]:
    """An answer without its date."""
    headers = {name: value for name, value in answer.headers.items() if name != "date"}
    return {"status": answer.status_code, "headers": headers, "body": answer.content}
