"""Sizes of blobs behind a gateway, and uploads that it ends."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.gateway.usage_store import UsageStore
from app.model.limits import NamespaceLimits
from app.policy.choices import UnknownSize
from tests.unit.gateways import (
    LAYER,
    ORIGIN,
    STORAGE,
    UPLOADS,
    FakeRegistry,
    Handler,
    gateway,
    head_of,
    layered,
    push,
    to_storage,
    usage_store,
)
from tests.unit.pushes import digest_of
from tests.unit.stores import limit


@pytest.fixture
def store(tmp_path: Path) -> Iterator[UsageStore]:
    with usage_store(tmp_path) as made:
        yield made


@pytest.mark.parametrize(
    ("head", "storage", "unknown_size", "status", "code"),
    [
        pytest.param(head_of(21), (), "deny", 201, "", id="the registry agrees"),
        pytest.param(head_of(22), (), "deny", 400, "SIZE_INVALID", id="the registry says more"),
        pytest.param(
            to_storage, (STORAGE,), "deny", 400, "SIZE_INVALID", id="its storage says more"
        ),
        pytest.param(to_storage, (), "deny", 403, "DENIED", id="a storage that is not asked"),
        pytest.param(to_storage, (), "warn", 201, "", id="unknown sizes are tolerated"),
        pytest.param(lambda _: httpx.Response(401), (), "deny", 403, "DENIED", id="no right"),
        pytest.param(
            lambda _: httpx.Response(404), (), "warn", 404, "MANIFEST_BLOB_UNKNOWN", id="no blob"
        ),
    ],
)
async def test_blob_sizes_in_a_manifest_are_checked_against_the_registry(
    head: Handler, storage: tuple[str, ...], unknown_size: UnknownSize, status: int, code: str
) -> None:
    registry = FakeRegistry(head=head, storage=head_of(10_000))
    limits = NamespaceLimits(image_size=limit("1Ki"))
    client = gateway(registry, limits, unknown_size, storage)

    answer = await push(client, "v1", layered(21))

    assert answer.status_code == status
    if code:
        assert answer.json()["errors"][0]["code"] == code


async def in_chunks(content: bytes) -> AsyncIterator[bytes]:
    """A body that is sent without a Content-Length."""
    yield content


async def upload(client: httpx.AsyncClient, content: bytes) -> None:
    """Upload a blob in chunks, with POST, PATCH and PUT."""
    session = (await client.post(UPLOADS)).headers["location"]
    await client.patch(session, content=in_chunks(content))
    assert (await client.put(session, params={"digest": digest_of(content)})).status_code == 201


def renamed(_request: httpx.Request) -> httpx.Response:
    return httpx.Response(202, headers={"Location": f"{ORIGIN}{UPLOADS}2"})


def renamed_oddly(_request: httpx.Request) -> httpx.Response:
    return httpx.Response(202, headers={"Location": f"{ORIGIN}/upload?id=2"})


@pytest.mark.parametrize(
    ("alone", "answers", "believed"),
    [
        pytest.param(True, {}, True, id="one gateway"),
        pytest.param(False, {}, False, id="another gateway may have added bytes"),
        pytest.param(True, {"PATCH_upload": renamed}, False, id="a session with two names"),
        pytest.param(True, {"POST_upload": renamed_oddly}, False, id="a sealed session"),
        pytest.param(True, {"head": head_of(22)}, False, id="the registry says more"),
    ],
)
async def test_counted_bytes_are_the_size_if_the_registry_names_none_and_no_other_gateway_runs(
    store: UsageStore, alone: bool, answers: dict[str, Handler], believed: bool
) -> None:
    registry = FakeRegistry(**{"head": to_storage, **answers})
    limits = NamespaceLimits(image_size=limit("1Ki"))
    client = gateway(registry, limits, store=store if alone else None)
    for content in (LAYER, b"c"):
        await upload(client, content)

    understated = await push(client, "v1", layered(20))
    true = await push(client, "v1", layered(21))

    code = "SIZE_INVALID" if believed or "head" in answers else "DENIED"
    assert understated.json()["errors"][0]["code"] == code
    assert (true.status_code == 201) == believed


async def test_requests_on_one_upload_session_take_turns(store: UsageStore) -> None:
    """A registry that takes both at once may keep the larger one of two counts."""
    registry = FakeRegistry()
    client = gateway(registry, NamespaceLimits(image_size=limit("1Ki")), store=store)
    session = (await client.post(UPLOADS)).headers["location"]
    more = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"x"
        await more.wait()

    first = asyncio.create_task(client.patch(session, content=slow()))
    others = [
        asyncio.create_task(client.patch(session, content=LAYER)),
        asyncio.create_task(client.put(session, params={"digest": digest_of(LAYER)})),
    ]
    await asyncio.sleep(0.1)
    assert [asked for asked in registry.asked if not asked.startswith("POST")] == []
    more.set()

    assert (await first).status_code == 202
    assert [(await other).status_code for other in others] == [202, 201]


async def test_size_of_a_blob_is_known_in_its_own_repository_only(store: UsageStore) -> None:
    """Without this, a refusal would reveal the size of a blob to a client that may not read it."""
    registry = FakeRegistry(head=lambda _: httpx.Response(401))
    client = gateway(registry, NamespaceLimits(image_size=limit("20")), store=store)
    other = "/v2/team-a/other/blobs/uploads/"
    for content in (LAYER[:20], b"c"):
        session = (await client.post(other)).headers["location"].replace("/app/", "/other/")
        await client.put(session, params={"digest": digest_of(content)}, content=content)
    manifest = layered(1).decode().replace(digest_of(LAYER), digest_of(LAYER[:20])).encode()

    pushed = await push(client, "v1", manifest)
    mount = {"mount": digest_of(LAYER), "from": "team-a/other"}
    mounted = await client.post(UPLOADS, params=mount)

    assert pushed.json()["errors"][0]["code"] == "DENIED"
    assert "does not say how large" in pushed.text
    assert mounted.status_code == 202


@pytest.mark.parametrize("sizes", [(21, 1), (1, 21)])
async def test_each_size_that_a_manifest_says_of_one_blob_is_checked(
    sizes: tuple[int, int],
) -> None:
    client = gateway(FakeRegistry(head=head_of(21)), NamespaceLimits(image_size=limit("1Ki")))
    manifest = json.loads(layered(21))
    [layer] = manifest["layers"]
    manifest["layers"] = [{**layer, "size": size} for size in sizes]
    manifest["config"]["size"] = 100

    answer = await push(client, "v1", json.dumps(manifest).encode())

    assert answer.json()["errors"][0]["code"] == "SIZE_INVALID"


@pytest.mark.parametrize(
    "query",
    [
        pytest.param({"mount": digest_of(b"small"), "digest": digest_of(LAYER)}, id="a mount"),
        pytest.param([("digest", digest_of(LAYER)), ("digest", digest_of(b"c"))], id="two digests"),
        pytest.param({"digest": digest_of(LAYER)}, id="a registry that does not look at the bytes"),
    ],
)
@pytest.mark.parametrize("content", [b"", b"x"])
async def test_blob_size_is_learned_only_from_bytes_that_have_the_digest(
    store: UsageStore, query: Any, content: bytes
) -> None:
    registry = FakeRegistry(
        head=head_of(2000), POST_upload=lambda _: httpx.Response(201), get=head_of(0)
    )
    client = gateway(registry, NamespaceLimits(image_size=limit("1Ki")), store=store)
    await client.post(UPLOADS, params=query, content=content)
    registry.answers.pop("POST_upload")
    await client.put(f"{UPLOADS}unknown", params=query, content=content)

    answer = await push(client, "v1", layered(1))

    assert answer.json()["errors"][0]["code"] == "SIZE_INVALID"


@pytest.mark.parametrize(
    "query",
    [
        pytest.param({"mount": digest_of(b"small"), "digest": digest_of(LAYER)}, id="a mount"),
        pytest.param([("digest", digest_of(LAYER)), ("digest", digest_of(b"c"))], id="two digests"),
    ],
)
async def test_bytes_are_not_counted_for_a_digest_that_may_be_another_blobs(
    store: UsageStore, query: Any
) -> None:
    def head(request: httpx.Request) -> httpx.Response:
        is_layer = request.url.path.endswith(digest_of(LAYER))
        return httpx.Response(401) if is_layer else head_of(50)(request)

    registry = FakeRegistry(head=head)
    client = gateway(registry, NamespaceLimits(image_size=limit("1Ki")), store=store)
    await client.post(UPLOADS)
    registry.answers["POST_upload"] = lambda _: httpx.Response(201)
    await client.post(UPLOADS, params=query)

    answer = await push(client, "v1", layered(1))

    assert "does not say how large" in answer.text


async def test_small_blobs_need_no_head_request(store: UsageStore) -> None:
    registry = FakeRegistry()
    client = gateway(registry, NamespaceLimits(image_size=limit("1Ki")), store=store)
    for content in (LAYER, bytes(50)):
        await client.post(UPLOADS)
        await client.put(f"{UPLOADS}1", params={"digest": digest_of(content)}, content=content)
    config = f'{{"mediaType": "x/y", "digest": "{digest_of(bytes(50))}", "size": 50}}'
    manifest = layered(21).decode().replace('"config": {', '"ignored": {')
    manifest = manifest.replace('"schemaVersion"', f'"config": {config}, "schemaVersion"')

    answer = await push(client, "v1", manifest.encode())

    assert answer.status_code == 201
    assert not [asked for asked in registry.asked if asked.startswith("HEAD")]


@pytest.mark.parametrize("deletes", [405, 401, 204, 404])
async def test_refused_upload_is_cancelled_with_and_without_the_right_to_delete(
    store: UsageStore, deletes: int
) -> None:
    registry = FakeRegistry(DELETE_upload=lambda _: httpx.Response(deletes))
    client = gateway(registry, NamespaceLimits(image_size=limit("1Ki")), store=store)
    session = (await client.post(UPLOADS)).headers["location"]

    refused = await client.put(f"{session}&digest={digest_of(LAYER)}", content=bytes(2000))

    assert refused.status_code == 403
    finished = [f"PUT {UPLOADS}1"] if deletes in (401, 405) else []
    assert registry.asked[-1 - len(finished) :] == [f"DELETE {UPLOADS}1", *finished]
    assert registry.queries[-1] == (
        f"_state=x&digest=sha256:{'0' * 64}" if finished else "_state=x"
    )


async def test_uploads_wait_for_a_slot(store: UsageStore) -> None:
    client = gateway(FakeRegistry(), NamespaceLimits(), store=store)

    async def slow() -> AsyncIterator[bytes]:
        for _ in range(3):
            await asyncio.sleep(0.01)
            yield b"x"

    answers = await asyncio.gather(
        *(client.patch(f"{UPLOADS}{n}", content=slow()) for n in range(100))
    )

    assert {answer.status_code for answer in answers} == {202}
