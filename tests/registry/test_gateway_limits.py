"""Refusals of the gateway, and their messages."""

import asyncio
import json
import re
from pathlib import Path

import httpx
import pytest

from . import images
from .programs import ON_BOTH, Clients, Gateway

MIB = 2**20
OVER_10_MIB = re.compile(r"> (10Mi|10240Ki|10485760)\)")
"""The unit of a refusal depends on the received bytes, and these depend on the network."""


@pytest.fixture(autouse=True)
def _limits(tmp_path: Path) -> None:
    images.limits(tmp_path, "team-a", storage="10Mi", image_tags=3)
    images.limits(tmp_path, "team-c", image_tags=50)


async def test_clients_print_size_limit_and_next_step(
    gate: Gateway, clients: Clients, tmp_path: Path
) -> None:
    layer = images.layer_file(tmp_path / "layer.tar", 12 * MIB)
    archive = tmp_path / "image.tar"
    await clients.crane("append", "-f", layer, "-t", "any/image:v1", "-o", archive)
    target = f"{gate.host}/team-a/app:v1"

    by_crane = await clients.crane("append", "-f", layer, "-t", target)
    by_skopeo = await clients.skopeo_copy(f"docker-archive:{archive}", f"docker://{target}")

    for result in (by_crane, by_skopeo):
        assert result.code != 0
        assert "exceeds the maximum limit per alauda.io/Image (1" in result.output
        assert OVER_10_MIB.search(result.output)
        assert "raise max.storage in LimitRange team-a/limits" in result.output


@ON_BOTH
async def test_an_upload_ends_at_the_byte_that_passes_the_limit(
    gate: Gateway, client: httpx.AsyncClient, direct: httpx.AsyncClient
) -> None:
    session = await images.begin_upload(client, "team-a/app")
    reader, writer = await gate.patch(session, "Transfer-Encoding: chunked")
    answer = asyncio.create_task(reader.readuntil(b"}]}"))

    sent = 0
    while not answer.done():
        writer.write(b"10000\r\n" + bytes(2**16) + b"\r\n")
        await writer.drain()
        await asyncio.sleep(0)
        sent += 2**16
    writer.close()

    text = (await answer).decode()
    assert text.startswith("HTTP/1.1 403 ")
    assert '"code": "DENIED"' in text
    assert OVER_10_MIB.search(text)
    assert 10 * MIB < sent < 40 * MIB
    assert (await direct.get(session)).status_code == 404


async def test_an_upload_that_declares_too_much_is_refused_before_it_starts(
    client: httpx.AsyncClient,
) -> None:
    started = await client.post("/v2/team-a/app/blobs/uploads/")

    answer = await client.patch(started.headers["location"], content=bytes(10 * MIB + 1))

    assert answer.status_code == 403
    assert "(10485761 > 10485760)" in answer.json()["errors"][0]["message"]


@ON_BOTH
async def test_a_resumed_upload_counts_earlier_bytes(client: httpx.AsyncClient) -> None:
    started = await client.post("/v2/team-a/app/blobs/uploads/")
    first = await client.patch(started.headers["location"], content=bytes(6 * MIB))
    assert first.status_code == 202
    nothing = await client.patch(first.headers["location"], content=b"")
    assert nothing.status_code == 202

    second = await client.patch(nothing.headers["location"], content=images.chunks(6 * MIB))

    assert second.status_code == 403
    assert OVER_10_MIB.search(second.json()["errors"][0]["message"])


@ON_BOTH
async def test_a_session_that_the_gateway_has_not_seen_is_asked_for(
    client: httpx.AsyncClient, direct: httpx.AsyncClient
) -> None:
    started = await direct.post("/v2/team-a/app/blobs/uploads/")
    first = await direct.patch(started.headers["location"], content=bytes(6 * MIB))
    path = httpx.URL(first.headers["location"]).raw_path.decode()

    answer = await client.patch(path, content=bytes(5 * MIB))

    assert answer.status_code == 403
    assert f"({11 * MIB >> 20}Mi > 10Mi)" in answer.json()["errors"][0]["message"]


@ON_BOTH
async def test_a_mounted_blob_counts_as_an_uploaded_one(
    client: httpx.AsyncClient, direct: httpx.AsyncClient
) -> None:
    large = bytes(11 * MIB)
    assert (await images.push_blob(direct, "team-b/app", large)).status_code == 201
    mount = {"mount": images.digest_of(large), "from": "team-b/app"}

    answer = await client.post("/v2/team-a/app/blobs/uploads/", params=mount)

    assert answer.status_code == 403
    assert "(11Mi > 10Mi)" in answer.json()["errors"][0]["message"]


@ON_BOTH
async def test_a_manifest_is_as_large_as_all_its_layers(client: httpx.AsyncClient) -> None:
    layers = [bytes([n]) * 6 * MIB for n in (1, 2)]
    for content in layers:
        assert (await images.push_blob(client, "team-a/app", content)).status_code == 201
    await images.push_blob(client, "team-a/app")
    media_type = "application/vnd.oci.image.layer.v1.tar"
    manifest = images.image(
        "large", layers=[images.descriptor(content, media_type) for content in layers]
    )

    answer = await images.push_manifest(client, "team-a/app", "v1", manifest)

    assert answer.status_code == 403
    assert "> 10Mi): image sha256:" in answer.json()["errors"][0]["message"]
    assert await images.tags(client, "team-a/app") == set()


@ON_BOTH
async def test_a_manifest_cannot_understate_its_layers(
    client: httpx.AsyncClient, direct: httpx.AsyncClient
) -> None:
    large = bytes(11 * MIB)
    await images.push_blob(direct, "team-a/app", large)
    await images.push_blob(client, "team-a/app")
    layer = {**images.descriptor(large, "application/x"), "size": 1}

    answer = await images.push_manifest(
        client, "team-a/app", "v1", images.image("small", layers=[layer])
    )

    assert answer.status_code == 400
    [error] = answer.json()["errors"]
    assert error["code"] == "SIZE_INVALID"
    assert "has 1 bytes, but it has 11534336" in error["message"]


@ON_BOTH
async def test_every_image_of_an_index_is_held_against_the_limit(
    client: httpx.AsyncClient, direct: httpx.AsyncClient
) -> None:
    large, layer_type = bytes(11 * MIB), "application/vnd.oci.image.layer.v1.tar"
    for content in (large, b"small"):
        await images.push_blob(direct, "team-a/app", content)
    await images.push_blob(direct, "team-a/app")
    children = [
        images.image("child", layers=[images.descriptor(content, layer_type)])
        for content in (b"small", large)
    ]
    for child in children:
        pushed = await images.push_manifest(direct, "team-a/app", images.digest_of(child), child)
        assert pushed.status_code == 201
    small, both = images.index(children[0]), images.index(*children)

    allowed = await images.push_manifest(client, "team-a/app", "small", small)
    refused = await images.push_manifest(client, "team-a/app", "both", both)

    assert allowed.status_code == 201, allowed.text
    assert refused.status_code == 403
    message = refused.json()["errors"][0]["message"]
    assert "> 10Mi): image " + images.digest_of(children[1]) + " (listed by image " in message


@ON_BOTH
async def test_layers_that_an_index_lists_are_held_against_the_limit(
    client: httpx.AsyncClient, direct: httpx.AsyncClient
) -> None:
    """Build caches list layers directly."""
    large = bytes(11 * MIB)
    await images.push_blob(direct, "team-a/app", large)
    layer = images.descriptor(large, "application/vnd.oci.image.layer.v1.tar+gzip")
    cache = json.dumps({**json.loads(images.index()), "manifests": [layer]}).encode()

    answer = await images.push_manifest(client, "team-a/app", "cache", cache)

    assert answer.status_code == 403
    assert "(11Mi > 10Mi)" in answer.json()["errors"][0]["message"]


@ON_BOTH
async def test_200_concurrent_pushes_of_new_tags_leave_exactly_as_many_as_fit(
    client: httpx.AsyncClient, direct: httpx.AsyncClient
) -> None:
    await images.push_blob(client, "team-c/app")

    answers = await asyncio.gather(
        *(
            images.push_manifest(client, "team-c/app", f"v{n}", images.image(f"v{n}"))
            for n in range(200)
        )
    )

    statuses = [answer.status_code for answer in answers]
    assert (statuses.count(201), statuses.count(403)) == (50, 150)
    assert len(await images.tags(direct, "team-c/app")) == 50


@ON_BOTH
async def test_a_deleted_image_gives_its_place_back_at_once(client: httpx.AsyncClient) -> None:
    await images.push_blob(client, "team-a/app")
    for tag in ("v1", "v2", "v3"):
        pushed = await images.push_manifest(client, "team-a/app", tag, images.image(tag))
        assert pushed.status_code == 201
    full = await images.push_manifest(client, "team-a/app", "v4", images.image("v4"))
    assert full.status_code == 403
    assert "used: alauda.io/image-tags=3" in full.json()["errors"][0]["message"]

    digest = images.digest_of(images.image("v2"))
    assert (await client.delete(f"/v2/team-a/app/manifests/{digest}")).status_code == 202
    again = await images.push_manifest(client, "team-a/app", "v4", images.image("v4"))

    assert again.status_code == 201
    assert await images.tags(client, "team-a/app") == {"v1", "v3", "v4"}


@ON_BOTH
async def test_a_manifest_that_the_registry_refuses_takes_no_place(
    client: httpx.AsyncClient,
) -> None:
    missing = {"layers": [images.descriptor(b"never uploaded", "application/x")]}
    for n in range(5):
        refused = await images.push_manifest(
            client, "team-a/app", f"broken{n}", images.image("broken", **missing)
        )
        assert refused.status_code == 404 or refused.status_code == 400, refused.text
    await images.push_blob(client, "team-a/app")

    for tag in ("v1", "v2", "v3"):
        pushed = await images.push_manifest(client, "team-a/app", tag, images.image(tag))
        assert pushed.status_code == 201, pushed.text


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        pytest.param("PUT", "/v2/app/manifests/v1", 400, "NAME_INVALID", id="no namespace"),
        pytest.param(
            "PUT", "/v2/team-a/app/%6danifests/v1", 405, "UNSUPPORTED", id="percent-encoded"
        ),
        pytest.param("PUT", "/v2/team-a//app/manifests/v1", 400, "NAME_INVALID", id="empty part"),
        pytest.param("PUT", "/v2/x/../team-a/app/manifests/v1", 400, "NAME_INVALID", id="dots"),
        pytest.param("POST", "/v2/team-a/app/manifests/v1", 405, "UNSUPPORTED", id="method"),
        pytest.param(
            "PUT", "/v2/team-a/app/manifests/v1?tag=v2", 405, "UNSUPPORTED", id="more tags"
        ),
        pytest.param(
            "PUT", "/v2/team-a/app/manifests/v1", 400, "MANIFEST_INVALID", id="no manifest"
        ),
    ],
)
async def test_write_that_the_spec_lacks_is_refused(
    gate: Gateway, method: str, path: str, status: int, code: str
) -> None:
    request = f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{{}}"

    answer = await gate.exchange(request.encode())

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    assert f'"code": "{code}"'.encode() in body
