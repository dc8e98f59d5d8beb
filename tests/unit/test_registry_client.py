"""The registry client is bounded in time and bytes, and calls allowed hosts only."""

import asyncio
import base64
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from app.model.manifest import MAX_BYTES, OCI_MANIFEST
from app.registry import credentials
from app.registry.client import RegistryClient, RegistryUnavailableError, StoredManifest
from app.registry.credentials import Credentials
from tests.unit.pushes import digest_of, image

ORIGIN = "http://10.1.2.3:5000"
MANIFEST = image(100)
DIGEST = digest_of(MANIFEST)
BASIC = "Basic " + base64.b64encode(b"user:secret").decode()
USER = Credentials("user", "secret")

Handler = Callable[[httpx.Request], httpx.Response]


def manifest_answer(_request: httpx.Request) -> httpx.Response:
    headers = {"Content-Type": OCI_MANIFEST, "Docker-Content-Digest": DIGEST}
    return httpx.Response(200, content=MANIFEST, headers=headers)


def client(
    handler: Any, identity: Credentials = credentials.NO_CREDENTIALS, **options: Any
) -> RegistryClient:
    return RegistryClient(ORIGIN, identity, transport=httpx.MockTransport(handler), **options)


async def test_a_manifest_is_asked_for_in_every_media_type_and_verified() -> None:
    asked: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return manifest_answer(request)

    stored = await client(handler).manifest("team-a/app", DIGEST)

    assert stored is not None
    assert (stored.size, stored.digest) == (100, DIGEST)
    assert str(asked[0].url) == f"{ORIGIN}/v2/team-a/app/manifests/{DIGEST}"
    assert OCI_MANIFEST in asked[0].headers["accept"]
    assert "docker.distribution.manifest.list.v2" in asked[0].headers["accept"]


@pytest.mark.parametrize(("status", "there"), [(200, True), (307, True), (404, False)])
async def test_blob_exists_on_200_or_a_redirect_to_storage(status: int, there: bool) -> None:
    asked: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(status, headers={"Location": "https://s3.example.com/signed"})

    assert await client(handler).has_blob("team-a/app", DIGEST) is there
    assert [(one.method, str(one.url)) for one in asked] == [
        ("HEAD", f"{ORIGIN}/v2/team-a/app/blobs/{DIGEST}")
    ]


async def test_registry_error_says_nothing_about_a_blob() -> None:
    with pytest.raises(RegistryUnavailableError, match="status 500"):
        await client(lambda _: httpx.Response(500)).has_blob("team-a/app", DIGEST)


async def test_content_with_another_digest_is_refused() -> None:
    with pytest.raises(RegistryUnavailableError, match="but is pushed as"):
        await client(manifest_answer).manifest("team-a/app", digest_of(b"other"))


async def test_a_head_names_digest_and_media_type() -> None:
    assert await client(manifest_answer).manifest_head("team-a/app", "v1") == StoredManifest(
        DIGEST, OCI_MANIFEST
    )


@pytest.mark.parametrize("question", ["manifest", "manifest_head"])
async def test_missing_content_is_none(question: str) -> None:
    subject = client(lambda _: httpx.Response(404))

    assert await getattr(subject, question)("team-a/app", DIGEST) is None


async def test_lists_are_read_page_by_page() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        if "last" in request.url.params:
            return httpx.Response(200, json={"tags": ["v3"]})
        following = f'<{request.url.path}?last=v2>; rel="next"'
        return httpx.Response(200, json={"tags": ["v1", "v2"]}, headers={"Link": following})

    assert [tag async for tag in client(handler).tags("team-a/app")] == ["v1", "v2", "v3"]


async def test_a_list_of_tags_without_pages_may_be_larger_than_a_manifest() -> None:
    """docker-registry 2.8 sends all tags at once, and a tag may have 128 characters."""
    tags = [f"{number:0128}" for number in range(50_000)]
    subject = client(lambda _: httpx.Response(200, json={"tags": tags}))

    assert [tag async for tag in subject.tags("team-a/app")] == tags


@pytest.mark.parametrize(
    ("handler", "message"),
    [
        pytest.param(lambda _: httpx.Response(500), "status 500", id="an error"),
        pytest.param(lambda _: httpx.Response(403), "status 403", id="no right"),
        pytest.param(
            lambda _: httpx.Response(200, content=bytes(MAX_BYTES + 1)),
            "more than 4194304 bytes",
            id="too many bytes",
        ),
        pytest.param(
            lambda _: httpx.Response(307, headers={"Location": "http://169.254.169.254/x"}),
            "another host, 169.254.169.254",
            id="a redirect to a cloud's metadata",
        ),
        pytest.param(
            lambda _: httpx.Response(307, headers={"Location": "//evil.example.com/x"}),
            "another host, evil.example.com",
            id="a redirect elsewhere",
        ),
        pytest.param(
            lambda _: httpx.Response(307, headers={"Location": "https://10.1.2.3:5000/x"}),
            "another host",
            id="a redirect to another scheme",
        ),
        pytest.param(
            lambda request: httpx.Response(307, headers={"Location": str(request.url)}),
            "redirects without end",
            id="a redirect to itself",
        ),
        pytest.param(
            lambda _: httpx.Response(
                401, headers={"WWW-Authenticate": 'Bearer realm="http://evil.example.com/token"'}
            ),
            "evil.example.com is not on the allow-list",
            id="a token service elsewhere",
        ),
        pytest.param(
            lambda _: httpx.Response(
                401, headers={"WWW-Authenticate": 'Bearer realm="http://10.1.2.3:port/token"'}
            ),
            "Invalid port",
            id="a token service without an address",
        ),
    ],
)
async def test_unusable_answer_is_named(handler: Handler, message: str) -> None:
    with pytest.raises(RegistryUnavailableError, match=message):
        await client(handler).manifest("team-a/app", DIGEST)


async def test_unusable_next_page_is_named() -> None:
    def handler(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"tags": []}, headers={"Link": '</v2?\t>; rel="next"'})

    with pytest.raises(RegistryUnavailableError, match="non-printable"):
        [tag async for tag in client(handler).tags("team-a/app")]


async def test_hanging_registry_is_given_up() -> None:
    async def handler(_: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        return httpx.Response(200)

    with pytest.raises(RegistryUnavailableError, match="TimeoutError"):
        await client(handler, timeout=0.05).manifest("team-a/app", DIGEST)


async def test_endless_answer_is_given_up() -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(2**16)

    with pytest.raises(RegistryUnavailableError, match="more than"):
        await client(lambda _: httpx.Response(200, content=endless())).manifest("a/b", DIGEST)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "169.254.169.254",
        "::1",
        "fe80::1%eth0",
        "0.0.0.0",
        "::ffff:127.0.0.1",
        "224.0.0.1",
        "100.100.100.200",
        "168.63.129.16",
        "fd00:ec2::254",
        "fd20:ce::254",
        "::ffff:100.100.100.200",
    ],
)
async def test_names_of_this_machine_and_of_metadata_are_not_contacted(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def resolve(*_: Any, **__: Any) -> list[Any]:
        return [(2, 1, 6, "", ("10.1.2.3", 5000)), (2, 1, 6, "", (address, 5000))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    transport = httpx.MockTransport(manifest_answer)
    subject = RegistryClient("http://registry.example.com:5000", transport=transport)

    with pytest.raises(RegistryUnavailableError, match="which is not asked"):
        await subject.manifest("team-a/app", DIGEST)


@pytest.mark.parametrize("host", ["localhost:5000", "127.0.0.1:5000", "[::1]:5000"])
async def test_registry_on_this_machine_is_asked_if_its_url_says_so(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def resolve(*_: Any, **__: Any) -> list[Any]:
        return [(2, 1, 6, "", ("127.0.0.1", 5000))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    subject = RegistryClient(f"http://{host}", transport=httpx.MockTransport(manifest_answer))

    assert await subject.manifest("team-a/app", DIGEST) is not None


async def test_registry_whose_name_is_unknown_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolve(*_: Any, **__: Any) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    transport = httpx.MockTransport(manifest_answer)
    subject = RegistryClient("http://registry.example.com:5000", transport=transport)

    with pytest.raises(RegistryUnavailableError, match=r"host registry\.example\.com: .*not known"):
        await subject.manifest("team-a/app", DIGEST)


async def test_name_is_resolved_once_for_many_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    resolved = 0

    async def resolve(*_: Any, **__: Any) -> list[Any]:
        nonlocal resolved
        resolved += 1
        return [(2, 1, 6, "", ("10.1.2.3", 5000))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    transport = httpx.MockTransport(manifest_answer)
    subject = RegistryClient("http://registry.example.com:5000", transport=transport)

    found = await asyncio.gather(*(subject.manifest("team-a/app", DIGEST) for _ in range(20)))

    assert None not in found
    assert resolved == 1
