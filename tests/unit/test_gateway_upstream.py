"""Headers and addresses are forwarded between a client and the registry."""

from typing import Any

import httpx
import pytest
from starlette.requests import Request

from app.gateway.upstream import Upstream
from tests.patience import PATIENCE
from tests.unit.transports import FakeTransport

ORIGIN = "http://registry.svc:5000"
EXTERNAL = "https://registry.example.com"
STORAGE = "https://storage.example.com/blob?signature=a%2Fb"
UPLOADS = "/v2/team-a/app/blobs/uploads/"


class Network:
    """Keeps the last request and gives one answer."""

    def __init__(self, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.answer = httpx.Response(status, headers=headers)
        self.request: httpx.Request | None = None

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.request = request
        return self.answer


def upstream(network: Network, external: str | None = EXTERNAL) -> Upstream:
    return Upstream(
        ORIGIN,
        external,
        idle_timeout=PATIENCE,
        answer_timeout=PATIENCE,
        transport=FakeTransport(network),
    )


def request(path: str = "/v2/", query: str = "", headers: dict[str, str] | None = None) -> Request:
    raw = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    scope: dict[str, Any] = {
        "type": "http", "method": "GET", "scheme": "http", "path": path,
        "raw_path": path.encode(), "query_string": query.encode(), "headers": raw,
    }  # fmt: skip
    return Request(scope)


async def sent(headers: dict[str, str]) -> httpx.Headers:
    network = Network()
    await upstream(network).forward(request(headers=headers), None)
    assert network.request is not None
    return network.request.headers


@pytest.mark.parametrize(
    ("path", "query"),
    [
        pytest.param("/v2/team-a/app/tags/list", "n=1&last=v%2F1", id="query"),
        pytest.param(f"{UPLOADS}1", "_state=a-b_c%3D%3D&digest=sha256%3Aab", id="state"),
        pytest.param(f"{UPLOADS}1", "_state=a-b_c==&digest=sha256:ab", id="not encoded"),
        pytest.param("/v2/a%2Fb/x", "", id="an encoded path"),
    ],
)
async def test_path_and_query_are_unchanged(path: str, query: str) -> None:
    network = Network()

    await upstream(network).forward(request(path, query), None)

    assert network.request is not None
    assert network.request.url.raw_path.decode() == path + (f"?{query}" if query else "")


async def test_headers_pass_except_those_of_one_connection() -> None:
    headers = await sent(
        {
            "authorization": "Bearer t", "range": "bytes=0-1", "accept": "a/b", "host": "outside",
            "connection": "keep-alive, x-mine", "x-mine": "1", "te": "trailers",
            "proxy-authorization": "secret", "expect": "100-continue",
        }
    )  # fmt: skip

    assert dict(headers) == {
        "authorization": "Bearer t", "range": "bytes=0-1", "accept": "a/b",
        "x-forwarded-host": "registry.example.com", "x-forwarded-proto": "https",
    }  # fmt: skip


async def test_length_of_a_chunked_body_is_not_believed() -> None:
    headers = await sent({"transfer-encoding": "chunked", "content-length": "5"})

    assert not headers.keys() & {"transfer-encoding", "content-length"}


@pytest.mark.parametrize(
    ("status", "location", "expected"),
    [
        pytest.param(
            202, f"{ORIGIN}{UPLOADS}1?_state=x", f"{EXTERNAL}{UPLOADS}1?_state=x", id="own"
        ),
        pytest.param(202, f"http://other{UPLOADS}1", f"{EXTERNAL}{UPLOADS}1", id="own by any name"),
        pytest.param(202, f"{UPLOADS}1?_state=x", f"{UPLOADS}1?_state=x", id="relative"),
        pytest.param(307, STORAGE, STORAGE, id="a storage elsewhere"),
        pytest.param(307, "https://cdn/v2/x", "https://cdn/v2/x", id="a redirect elsewhere"),
        pytest.param(307, f"{ORIGIN}/v2/x", f"{EXTERNAL}/v2/x", id="a redirect to itself"),
    ],
)
async def test_addresses_of_the_registry_become_those_of_the_gateway(
    status: int, location: str, expected: str
) -> None:
    network = Network(status, {"Location": location})

    answer = await upstream(network).forward(request(), None)

    assert dict(answer.headers)[b"location"].decode() == expected


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        pytest.param('</v2/_catalog?n=1>; rel="next"', '</v2/_catalog?n=1>; rel="next"', id="path"),
        pytest.param(
            f'<{ORIGIN}/v2/_catalog?n=1>; rel="next"',
            f'<{EXTERNAL}/v2/_catalog?n=1>; rel="next"',
            id="address",
        ),
    ],
)
async def test_link_to_the_next_page_is_rewritten(link: str, expected: str) -> None:
    answer = await upstream(Network(200, {"Link": link})).forward(request(), None)

    assert dict(answer.headers)[b"link"].decode() == expected


@pytest.mark.parametrize(
    ("headers", "external"),
    [
        pytest.param({"host": "a:8080"}, "http://a:8080", id="Host"),
        pytest.param(
            {"host": "a", "x-forwarded-host": "b:1", "x-forwarded-proto": "https"},
            "https://b:1",
            id="X-Forwarded-Host",
        ),
        pytest.param(
            {"host": "a", "x-forwarded-host": "b, c", "x-forwarded-proto": "https, http"},
            "https://b",
            id="the first of several",
        ),
        pytest.param(
            {"host": "a", "x-forwarded-proto": "javascript"}, "http://a", id="an unknown scheme"
        ),
        pytest.param({"host": "a:b"}, "http://localhost", id="no host"),
    ],
)
async def test_address_of_the_gateway_is_derived_from_the_request(
    headers: dict[str, str], external: str
) -> None:
    network = Network(202, {"Location": f"{ORIGIN}{UPLOADS}1"})

    answer = await upstream(network, external=None).forward(request(headers=headers), None)

    assert dict(answer.headers)[b"location"].decode() == f"{external}{UPLOADS}1"
