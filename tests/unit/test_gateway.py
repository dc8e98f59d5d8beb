"""The gateway with a fake registry behind it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from app.gateway.coverage import Coverage
from app.gateway.database import Database
from app.gateway.inventory import Inventory
from app.gateway.proxy import Gateway
from app.gateway.questions import Questioner
from app.gateway.reader import Reader
from app.gateway.traffic import Traffic, Turns
from app.gateway.transport import UpstreamError
from app.gateway.upstream import Upstream
from app.gateway.usage_store import UsageStore
from app.model.limits import NamespaceLimits
from app.model.manifest import OCI_MANIFEST
from app.policy.choices import UnknownSize
from app.registry.client import RegistryClient
from tests.unit.pushes import Pushes, digest_of, image
from tests.unit.stores import limit, quota
from tests.unit.transports import FakeTransport

ORIGIN = "http://registry.svc:5000"
STORAGE = "storage.example.com"
UPLOADS = "/v2/team-a/app/blobs/uploads/"
MANIFESTS = "/v2/team-a/app/manifests/"
LAYER = b"a layer of some bytes"

Handler = Callable[[httpx.Request], httpx.Response]


class FakeRegistry:
    """Accepts every push and records the requests. `answers` replaces the answer to some kinds of
    request."""

    def __init__(self, **answers: Handler) -> None:
        self.answers = answers
        self.asked: list[str] = []
        self.queries: list[str] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(f"{request.method} {request.url.path}")
        self.queries.append(request.url.query.decode())
        return self.answers.get(self._kind(request), _accept)(request)

    def _kind(self, request: httpx.Request) -> str:
        if request.url.host == STORAGE:
            return "storage"
        place = "manifest" if "/manifests/" in request.url.path else "upload"
        return {"GET": "get", "HEAD": "head"}.get(request.method, f"{request.method}_{place}")


def _accept(request: httpx.Request) -> httpx.Response:
    if request.method in ("POST", "PATCH"):
        return httpx.Response(202, headers={"Location": f"{ORIGIN}{UPLOADS}1?_state=x"})
    return httpx.Response(201 if request.method == "PUT" else 404)


def gateway(
    registry: FakeRegistry,
    limits: NamespaceLimits,
    unknown_size: UnknownSize = "deny",
    storage: tuple[str, ...] = (),
    store: UsageStore | None = None,
) -> httpx.AsyncClient:
    """A client of a gateway with this usage store, or with ImageStreams that never change."""
    upstream = Upstream(
        ORIGIN,
        None,
        idle_timeout=1,
        answer_timeout=1,
        storage_hosts=storage,
        transport=FakeTransport(registry),
    )
    pushes = Pushes(limits)
    if store is not None:
        pushes.state.index = store.inventory.usage
    subject = Gateway(
        upstream,
        pushes.checks,
        store,
        unknown_size=unknown_size,
        max_uploads=8,
        upload_wait=10,
        idle_timeout=5,
        manifest_timeout=5,
    )
    app = Starlette(routes=[Route("/v2/{path:path}", subject)])
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gate")


async def push(client: httpx.AsyncClient, tag: str, content: bytes) -> httpx.Response:
    return await client.put(
        MANIFESTS + tag, content=content, headers={"Content-Type": OCI_MANIFEST}
    )


def layered(size: int) -> bytes:
    """A manifest that declares this size for its one layer."""
    layer = f'{{"mediaType": "x/y", "digest": "{digest_of(LAYER)}", "size": {size}}}'
    config = f'{{"mediaType": "x/y", "digest": "{digest_of(b"c")}", "size": 50}}'
    return f'{{"schemaVersion": 2, "config": {config}, "layers": [{layer}]}}'.encode()


async def test_client_without_push_rights_gets_the_registrys_answer_and_no_limit() -> None:
    refusal = {"WWW-Authenticate": 'Basic realm="r"'}
    registry = FakeRegistry(
        get=lambda _: httpx.Response(200),
        POST_upload=lambda _: httpx.Response(401, headers=refusal),
    )
    client = gateway(registry, NamespaceLimits(image_size=limit("1Ki")))

    answers = [
        await push(client, "v1", image(2048)),
        await client.post(UPLOADS, content=bytes(2048)),
        await client.patch(f"{UPLOADS}1", content=bytes(2048)),
    ]

    for answer in answers:
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == 'Basic realm="r"'
        assert "Ki" not in answer.text


async def test_push_right_is_checked_once_for_many_pushes() -> None:
    registry = FakeRegistry()
    client = gateway(registry, NamespaceLimits(quotas=(quota(image_tags=50),)))

    for n in range(20):
        assert (await push(client, f"v{n}", image(n))).status_code == 201

    assert registry.asked.count(f"POST {UPLOADS}") == 1
    assert registry.asked.count(f"DELETE {UPLOADS}1") == 1


def broken(error: Exception) -> Handler:
    def handler(_request: httpx.Request) -> httpx.Response:
        raise error

    return handler


NEVER_SENT = broken(UpstreamError("refused", maybe_done=False))
NO_ANSWER = broken(UpstreamError("late", maybe_done=True))


@pytest.mark.parametrize(
    ("outcome", "status", "kept"),
    [
        pytest.param(lambda _: httpx.Response(400), 400, False, id="refused"),
        pytest.param(
            broken(UpstreamError("refused", maybe_done=False)), 503, False, id="never sent"
        ),
        pytest.param(NO_ANSWER, 503, True, id="no answer"),
        pytest.param(lambda _: httpx.Response(502), 502, True, id="a proxy's answer"),
    ],
)
async def test_reservation_is_kept_while_the_push_outcome_is_unknown(
    outcome: Handler, status: int, kept: bool
) -> None:
    registry = FakeRegistry(PUT_manifest=outcome)
    client = gateway(registry, NamespaceLimits(quotas=(quota(image_tags=1),)))

    failed = await push(client, "v1", image(1))
    del registry.answers["PUT_manifest"]
    again = await push(client, "v1", image(1)) if kept else None
    other = await push(client, "v2", image(2))

    assert failed.status_code == status
    assert other.status_code == (403 if kept else 201)
    assert again is None or again.status_code == 201


def head_of(size: int) -> Handler:
    return lambda _: httpx.Response(200, headers={"Content-Length": str(size)})


def to_storage(_request: httpx.Request) -> httpx.Response:
    return httpx.Response(307, headers={"Location": f"https://{STORAGE}/blob?signature=x"})


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


async def test_size_of_a_counted_blob_is_known_when_the_registry_redirects() -> None:
    registry = FakeRegistry(head=to_storage)
    client = gateway(registry, NamespaceLimits(image_size=limit("1Ki")))
    for content in (LAYER, b"c"):
        await client.post(UPLOADS)
        final = {"digest": digest_of(content)}
        uploaded = await client.put(f"{UPLOADS}1", params=final, content=content)
        assert uploaded.status_code == 201

    assert (await push(client, "v1", layered(20))).json()["errors"][0]["code"] == "SIZE_INVALID"
    assert (await push(client, "v1", layered(21))).status_code == 201


@pytest.fixture
def store(tmp_path: Path) -> Iterator[UsageStore]:
    """The usage store of an empty registry."""
    database, coverage = Database(tmp_path / "gateway.db", ORIGIN), Coverage()
    nothing = httpx.MockTransport(lambda _: httpx.Response(404))
    questioner = Questioner(RegistryClient("http://10.1.2.3", transport=nothing), Turns(Traffic()))
    coverage.listed([])
    inventory = Inventory(database, questioner, coverage, grace=900)
    yield UsageStore(inventory, Reader(inventory, coverage))
    database.close()


async def test_the_only_tag_can_move_to_another_image_while_the_quota_is_full(
    store: UsageStore,
) -> None:
    client = gateway(FakeRegistry(), NamespaceLimits(quotas=(quota(images=1),)), store=store)

    first = await push(client, "v1", image(1))
    other = await push(client, "v2", image(2))
    replaced = [await push(client, "v1", image(n)) for n in (2, 3)]
    shared = await push(client, "v2", image(3))
    kept = await push(client, "v1", image(4))

    assert (first.status_code, other.status_code) == (201, 403)
    assert [answer.status_code for answer in replaced] == [201, 201]
    assert shared.status_code == 201
    assert kept.status_code == 403


async def test_concurrent_pushes_do_not_both_replace_one_image(store: UsageStore) -> None:
    client = gateway(FakeRegistry(), NamespaceLimits(quotas=(quota(images=1),)), store=store)
    await push(client, "v1", image(1))

    await asyncio.gather(
        *(push(client, "v1", image(n)) for n in range(2, 8)),
        *(push(client, f"other{n}", image(1)) for n in range(8)),
    )

    assert store.inventory.usage["team-a"].image_count == 1


async def test_push_gets_503_while_the_catalog_is_not_listed(store: UsageStore) -> None:
    client = gateway(FakeRegistry(), NamespaceLimits(quotas=(quota(images=1),)), store=store)
    store.reader._coverage.catalog_problem = "the registry's catalog is being listed"

    refused = await push(client, "v1", image(1))

    assert refused.status_code == 503
    assert refused.headers["retry-after"] == "1"
    assert "catalog is being listed" in refused.text


@pytest.mark.parametrize(
    ("outcome", "asked"),
    [
        pytest.param(lambda _: httpx.Response(202), True, id="deleted"),
        pytest.param(lambda _: httpx.Response(401), False, id="no credentials"),
        pytest.param(lambda _: httpx.Response(405), False, id="not supported"),
        pytest.param(lambda _: httpx.Response(502), True, id="a proxy's answer"),
        pytest.param(NO_ANSWER, True, id="no answer"),
        pytest.param(NEVER_SENT, False, id="never sent"),
    ],
)
async def test_registry_is_asked_after_a_deletion_that_may_have_succeeded(
    store: UsageStore, outcome: Handler, asked: bool
) -> None:
    registry = FakeRegistry()
    client = gateway(registry, NamespaceLimits(quotas=(quota(images=1),)), store=store)
    await push(client, "v1", image(1))
    registry.answers["DELETE_manifest"] = outcome

    await client.delete(f"{MANIFESTS}v1")
    await store.inventory.ask_due()

    assert store.inventory.usage["team-a"].tag_count == (0 if asked else 1)


@pytest.mark.parametrize(
    "query",
    [
        pytest.param({"mount": digest_of(b"small"), "digest": digest_of(LAYER)}, id="a mount"),
        pytest.param([("digest", digest_of(LAYER)), ("digest", digest_of(b"c"))], id="two digests"),
    ],
)
@pytest.mark.parametrize("content", [b"", b"x"])
async def test_blob_size_is_learned_only_from_a_counted_upload(
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


async def test_counted_blobs_need_no_head_request(store: UsageStore) -> None:
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


async def test_manifests_in_memory_are_bounded() -> None:
    client = gateway(FakeRegistry(), NamespaceLimits(quotas=(quota(image_tags=50),)))
    here = asyncio.Barrier(30)

    async def large() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield bytes(2**20)
        await here.wait()

    async def push_large() -> int:
        headers = {"Content-Type": OCI_MANIFEST}
        answer = await client.put(f"{MANIFESTS}v1", content=large(), headers=headers)
        return answer.status_code

    statuses = await asyncio.gather(*(push_large() for _ in range(30)))
    after = await push(client, "v1", image(1))

    assert set(statuses) == {400, 429}
    assert 15 <= statuses.count(400) <= 64 // 3
    assert after.status_code == 201


async def test_gateway_warns_about_a_limit_that_is_not_enforced() -> None:
    limits = NamespaceLimits(image_size=replace(limit("1Ki"), mode="warn"))
    answer = await push(gateway(FakeRegistry(), limits), "v1", image(2048))
    assert answer.status_code == 201
    assert answer.headers["warning"].startswith('299 - "would be refused: requested usage')
