"""Odd requests get the same answer with and without the gateway, and count for what they store."""

from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from tests.patience import PATIENCE

from . import images
from .programs import ON_BOTH, Gateway, run

pytestmark = ON_BOTH
APP = "team-a/app"
EMPTY = b"{}"
"""The config of an artifact."""
EMPTY_CONFIG = images.descriptor(EMPTY, "application/vnd.oci.empty.v1+json")
SUBJECT = images.descriptor(images.image("v1"), images.OCI_MANIFEST)
GZIP = {"Accept-Encoding": "gzip", "Accept": images.OCI_MANIFEST}


@pytest.fixture(autouse=True)
def _limits(tmp_path: Any) -> None:
    images.limits(tmp_path, "team-a", storage="1Mi", images=2, image_tags=2)


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes | None = None


READS = (
    *(
        Asked("GET", f"/v2/{path}?{query}")
        for path in ("_catalog", f"{APP}/tags/list")
        for query in ("n=0", "n=-1", "n=x", "n=9999999999", "last=zz", "n=1&last=%2f..", "last=%00")
    ),
    Asked("GET", f"/v2/{APP}/referrers/{SUBJECT['digest']}"),
    Asked("GET", f"/v2/{APP}/referrers/{SUBJECT['digest']}?artifactType=a/b"),
    Asked("GET", f"/v2/{APP}/manifests/v1", GZIP),
    Asked("HEAD", f"/v2/{APP}/manifests/v1", GZIP, b"a body that nobody asked for"),
    Asked("GET", f"/v2/{APP}/manifests/none"),
    Asked("GET", f"/v2/{'a' * 300}/tags/list"),
    Asked("GET", f"/v2/{APP}/blobs/{images.digest_of(EMPTY)}", {"Range": "bytes=1-"}),
    Asked("GET", f"/v2/{APP}/blobs/{images.digest_of(EMPTY)}", {"Range": "bytes=9-1"}),
)  # fmt: skip


async def test_odd_reads_are_answered_as_by_the_registry(
    client: httpx.AsyncClient, direct: httpx.AsyncClient
) -> None:
    await images.push_blob(direct, APP)
    await images.push_blob(direct, APP, EMPTY)
    await images.push_manifest(direct, APP, "v1", images.image("v1"))

    answers = [[await _read(way, asked) for asked in READS] for way in (direct, client)]

    for asked, itself, through in zip(READS, *answers, strict=True):
        assert through == itself, asked


async def _read(client: httpx.AsyncClient, asked: Asked) -> tuple[int, bytes, str]:
    request = client.build_request(
        asked.method, asked.path, headers=asked.headers, content=asked.content
    )
    answer = await client.send(request, stream=True)
    try:
        content = await answer.aread()
    except httpx.RemoteProtocolError:
        content = b"less than was announced"
    return answer.status_code, content, answer.headers.get("content-length", "")


@pytest.mark.parametrize(
    ("range_", "digest"),
    [
        pytest.param("5-9", images.digest_of(bytes(10)), id="a part that is missing"),
        pytest.param("0-99", images.digest_of(bytes(10)), id="more than comes"),
        pytest.param("x", images.digest_of(bytes(10)), id="no range"),
        pytest.param("", images.digest_of(b"other"), id="another digest"),
        pytest.param("", "sha256:short", id="no digest"),
        pytest.param("", "", id="an empty digest"),
    ],
)
async def test_upload_with_false_statements_is_answered_as_by_the_registry(
    client: httpx.AsyncClient, direct: httpx.AsyncClient, range_: str, digest: str
) -> None:
    headers = {"Content-Range": range_} if range_ else {}
    answers = []
    for way in (direct, client):
        session = await images.begin_upload(way, APP)
        patched = await way.patch(session, content=bytes(10), headers=headers)
        location = httpx.URL(patched.headers.get("location", session))
        ended = await way.put(location.copy_merge_params({"digest": digest}))
        answers.append((patched.status_code, ended.status_code))

    assert answers[0] == answers[1]


async def test_artifact_with_an_empty_config_and_an_empty_layer_counts_as_an_image(
    client: httpx.AsyncClient, direct: httpx.AsyncClient
) -> None:
    """A referrer counts with its image, and takes no place once the image is gone."""
    for content in (EMPTY, b""):
        assert (await images.push_blob(client, APP, content)).status_code == 201
    await images.push_blob(client, APP)
    await images.push_manifest(client, APP, "v1", images.image("v1"))
    layer = images.descriptor(b"", "application/octet-stream")
    referrer = images.image(
        "", config=EMPTY_CONFIG, layers=[layer], artifactType="a/b", subject=SUBJECT
    )

    pushed = await images.push_manifest(client, APP, images.digest_of(referrer), referrer)
    third = await images.push_manifest(client, APP, "v2", images.image("v2"))
    deleted = await client.delete(f"/v2/{APP}/manifests/{SUBJECT['digest']}")
    again = await images.push_manifest(client, APP, "v2", images.image("v2"))

    assert (pushed.status_code, third.status_code, deleted.status_code) == (201, 403, 202)
    assert "used: alauda.io/images=2" in third.text
    assert again.status_code == 201


async def test_deleted_tag_gives_its_place_back_if_the_registry_deletes_tags(
    client: httpx.AsyncClient, direct: httpx.AsyncClient
) -> None:
    """docker-registry deletes by digest only."""
    await images.push_blob(client, APP)
    for tag in ("v1", "v2"):
        await images.push_manifest(client, APP, tag, images.image("same"))

    deleted = await client.delete(f"/v2/{APP}/manifests/v1")
    third = await images.push_manifest(client, APP, "v3", images.image("same"))

    assert (deleted.status_code, third.status_code) in ((202, 201), (405, 403), (400, 403))
    assert len(await images.tags(direct, APP)) == 2


async def test_upload_that_waits_for_100_continue_goes_on(gate: Gateway, tmp_path: Any) -> None:
    content = bytes(2**19)
    (tmp_path / "blob").write_bytes(content)
    async with httpx.AsyncClient(base_url=gate.url, timeout=PATIENCE) as client:
        session = await images.begin_upload(client, APP)
    target = httpx.URL(gate.url).join(session)
    target = target.copy_merge_params({"digest": images.digest_of(content)})

    sent = await run(
        "curl", "--silent", "--verbose", "--max-time", "20", "--expect100-timeout", "10",
        "--header", "Expect: 100-continue", "--upload-file", tmp_path / "blob", str(target),
    )  # fmt: skip

    assert "< HTTP/1.1 100 Continue" in sent.output
    assert "< HTTP/1.1 201 Created" in sent.output
