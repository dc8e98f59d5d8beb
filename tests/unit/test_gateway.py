"""The gateway before a registry that answers as tests say."""

import asyncio
from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from app.gateway.proxy import Gateway
from app.gateway.upstream import Upstream
from app.model.limits import NamespaceLimits
from app.model.manifest import OCI_MANIFEST
from app.policy.image_limits import UnknownSize
from tests.unit.pushes import Pushes, digest_of, image
from tests.unit.stores import limit, quota

ORIGIN = "http://registry.svc:5000"
STORAGE = "storage.example.com"
UPLOADS = "/v2/team-a/app/blobs/uploads/"
MANIFESTS = "/v2/team-a/app/manifests/"
LAYER = b"a layer of some bytes"

Handler = Callable[[httpx.Request], httpx.Response]


class FakeRegistry(httpx.AsyncBaseTransport):
    """Takes every push, and remembers what it was asked, unless `answers` has another answer for
    what a method and an address begin with."""

    def __init__(self, **answers: Handler) -> None:
        self.answers = answers
        self.asked: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.asked.append(f"{request.method} {request.url.path}")
        answer = self.answers.get(self._kind(request), _accept)(request)
        return httpx.Response(
            answer.status_code, headers=answer.headers, stream=httpx.ByteStream(b"")
        )

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
) -> httpx.AsyncClient:
    """A client of a gateway on ImageStreams that nobody writes."""
    upstream = Upstream(
        ORIGIN, None, idle_timeout=1, answer_timeout=1, storage_hosts=storage, transport=registry
    )
    subject = Gateway(
        upstream,
        Pushes(limits).checks,
        None,
        unknown_size=unknown_size,
        max_uploads=8,
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
    """An image that says that its one layer has so many bytes."""
    layer = f'{{"mediaType": "x/y", "digest": "{digest_of(LAYER)}", "size": {size}}}'
    config = f'{{"mediaType": "x/y", "digest": "{digest_of(b"c")}", "size": 50}}'
    return f'{{"schemaVersion": 2, "config": {config}, "layers": [{layer}]}}'.encode()


async def test_who_may_read_everything_is_not_told_limits_unless_he_may_push() -> None:
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


async def test_a_right_is_asked_for_once_by_however_many_pushes() -> None:
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


@pytest.mark.parametrize(
    ("outcome", "status", "kept"),
    [
        pytest.param(lambda _: httpx.Response(400), 400, False, id="refused"),
        pytest.param(broken(httpx.ConnectError("refused")), 503, False, id="never sent"),
        pytest.param(broken(httpx.ReadTimeout("")), 503, True, id="no answer"),
        pytest.param(lambda _: httpx.Response(502), 502, True, id="a proxy's answer"),
    ],
)
async def test_what_may_be_stored_keeps_its_place_until_it_is_seen_or_can_not_be(
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
        pytest.param(head_of(22), (), "deny", 400, "SIZE_INVALID", id="the registry knows better"),
        pytest.param(to_storage, (STORAGE,), "deny", 400, "SIZE_INVALID", id="its storage does"),
        pytest.param(to_storage, (), "deny", 403, "DENIED", id="a storage that is not asked"),
        pytest.param(to_storage, (), "warn", 201, "", id="unknown sizes are borne"),
        pytest.param(lambda _: httpx.Response(401), (), "deny", 403, "DENIED", id="no right"),
        pytest.param(lambda _: httpx.Response(404), (), "deny", 201, "", id="no such blob"),
    ],
)
async def test_sizes_of_blobs_are_the_registrys_word(
    head: Handler, storage: tuple[str, ...], unknown_size: UnknownSize, status: int, code: str
) -> None:
    registry = FakeRegistry(head=head, storage=head_of(10_000))
    limits = NamespaceLimits(image_size=limit("1Ki"))
    client = gateway(registry, limits, unknown_size, storage)

    answer = await push(client, "v1", layered(21))

    assert answer.status_code == status
    if code:
        assert answer.json()["errors"][0]["code"] == code


async def test_a_blob_that_came_through_the_gateway_needs_no_storage_to_be_asked() -> None:
    registry = FakeRegistry(head=to_storage)
    client = gateway(registry, NamespaceLimits(image_size=limit("1Ki")))
    for content in (LAYER, b"c"):
        final = {"digest": digest_of(content)}
        uploaded = await client.put(f"{UPLOADS}1", params=final, content=content)
        assert uploaded.status_code == 201

    assert (await push(client, "v1", layered(20))).json()["errors"][0]["code"] == "SIZE_INVALID"
    assert (await push(client, "v1", layered(21))).status_code == 201


async def test_manifests_that_wait_share_a_bounded_room() -> None:
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
