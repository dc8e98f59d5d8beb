"""The registry behind the gateway: requests and answers pass through, one chunk at a time."""

import re
import ssl
from collections.abc import AsyncIterable, AsyncIterator, Collection, Iterable
from dataclasses import dataclass

import httpx
from starlette.datastructures import Headers
from starlette.requests import Request

_HOP_BY_HOP = frozenset(
    {
        "connection", "expect", "keep-alive", "proxy-authenticate", "proxy-authorization",
        "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
    }
)  # fmt: skip
_NOT_PASSED_BACK = _HOP_BY_HOP | {"date"}
_CONNECT = 10.0
_MAX_CONNECTIONS = 512
Body = bytes | AsyncIterable[bytes] | None
RawHeaders = list[tuple[bytes, bytes]]
_URL_IN_LINK = re.compile(r"<([^>]*)>")


class UpstreamError(Exception):
    """No answer. `maybe_done` says whether the registry may have acted all the same."""

    def __init__(self, message: str, *, maybe_done: bool) -> None:
        super().__init__(message)
        self.maybe_done = maybe_done


@dataclass(frozen=True)
class Answer:
    """A response of which only the head is read; `close` it in any case."""

    status: int
    headers: RawHeaders
    """Names are in lower case."""
    _response: httpx.Response

    def header(self, name: str) -> str:
        return str(self._response.headers.get(name, ""))

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body, as it was sent. Raises UpstreamError if it breaks off."""
        try:
            async for chunk in self._response.aiter_raw():
                yield chunk
        except httpx.HTTPError as error:
            raise UpstreamError(str(error), maybe_done=True) from None

    async def close(self) -> None:
        await self._response.aclose()


class Upstream:
    """Sends requests on. No redirect is followed, no cookie kept, no content decoded."""

    def __init__(
        self,
        origin: str,
        external: str | None,
        *,
        idle_timeout: float,
        answer_timeout: float,
        storage_hosts: Collection[str] = (),
        context: ssl.SSLContext | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """`external` is the origin that clients know; without it, it is derived from requests.

        `storage_hosts`: `host[:port]` that the registry may redirect to for blobs.
        `answer_timeout`: seconds that the registry may take to answer a whole request.
        `transport` replaces the network.
        """
        self._origin = httpx.URL(origin)
        self._external = httpx.URL(external) if external else None
        self._storage_hosts = frozenset(storage_hosts)
        self._timeouts = {
            "connect": _CONNECT,
            "pool": _CONNECT,
            "read": answer_timeout,
            "write": idle_timeout,
        }
        self._transport = transport or httpx.AsyncHTTPTransport(
            verify=context or True,
            trust_env=False,
            limits=httpx.Limits(max_connections=_MAX_CONNECTIONS, keepalive_expiry=30.0),
        )

    async def close(self) -> None:
        await self._transport.aclose()

    async def forward(self, request: Request, body: Body) -> Answer:
        """Send a client's request on with the same method, path, query and headers.

        Raises UpstreamError, and whatever reading the body raises.
        """
        query = request.scope["query_string"]
        raw_path = request.scope["raw_path"] + (b"?" + query if query else b"")
        external = self._external or _external(request)
        headers = [
            *_end_to_end(request.headers),
            (b"x-forwarded-host", external.netloc),
            (b"x-forwarded-proto", external.scheme.encode()),
        ]
        answer = await self.send(request.method, raw_path, headers, body)
        return self._readdressed(answer, external)

    async def send(
        self,
        method: str,
        raw_path: bytes,
        headers: Iterable[tuple[bytes, bytes]] = (),
        body: Body = None,
    ) -> Answer:
        """Raises UpstreamError, and whatever reading the body raises."""
        return await self._send(method, self._origin.copy_with(raw_path=raw_path), headers, body)

    async def head_of_stored(self, address: str) -> Answer | None:
        """The head of what the registry's own redirect leads to, asked without credentials;
        None for a host that is not a storage of the registry. Raises UpstreamError."""
        try:
            url = self._origin.join(address)
        except httpx.InvalidURL:
            return None
        if url.netloc.decode() not in self._storage_hosts or url.scheme not in ("http", "https"):
            return None
        return await self._send("HEAD", url, (), None)

    async def _send(
        self, method: str, url: httpx.URL, headers: Iterable[tuple[bytes, bytes]], body: Body
    ) -> Answer:
        request = httpx.Request(
            method,
            url,
            headers=list(headers),
            content=body,
            extensions={"timeout": self._timeouts},
        )
        try:
            response = await self._transport.handle_async_request(request)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise UpstreamError(_text(error), maybe_done=False) from None
        except httpx.HTTPError as error:
            raise UpstreamError(_text(error), maybe_done=True) from None
        response.request = request
        headers_of_answer = [(name.lower(), value) for name, value in response.headers.raw]
        return Answer(response.status_code, headers_of_answer, response)

    def path_of(self, location: str) -> bytes | None:
        """The path and query of an address at this registry; None for one elsewhere."""
        url = self._origin.join(location)
        return url.raw_path if url.raw_path.startswith(b"/v2/") else None

    def _readdressed(self, answer: Answer, external: httpx.URL) -> Answer:
        headers: RawHeaders = []
        dropped = _NOT_PASSED_BACK | _named(answer.header("connection"))
        for name, value in answer.headers:
            text = value.decode("latin-1")
            if name == b"location":
                text = self._outside(text, external, ours=answer.status < 300)
            elif name == b"link":
                text = _URL_IN_LINK.sub(
                    lambda found: f"<{self._outside(found[1], external, ours=False)}>", text
                )
            if name.decode("latin-1") not in dropped:
                headers.append((name, text.encode("latin-1")))
        return Answer(answer.status, headers, answer._response)

    def _outside(self, address: str, external: httpx.URL, *, ours: bool) -> str:
        """The registry's own addresses as clients reach them; others, such as a storage that it
        redirects to, stay as they are. `ours` is true for an address that can be no other's."""
        try:
            url = httpx.URL(address)
        except httpx.InvalidURL:
            return address
        own = (url.scheme, url.netloc) == (self._origin.scheme, self._origin.netloc)
        if not url.is_absolute_url or not (own or (ours and url.path.startswith("/v2/"))):
            return address
        return f"{external.scheme}://{external.netloc.decode()}{url.raw_path.decode()}"


def _external(request: Request) -> httpx.URL:
    """Where the client thinks it is, by the proxies before us or by its own word."""
    forwarded = request.headers.get("x-forwarded-host", "").partition(",")[0].strip()
    scheme = request.headers.get("x-forwarded-proto", "").partition(",")[0].strip()
    host = forwarded or request.headers.get("host", "")
    scheme = scheme if scheme in ("http", "https") else request.scope["scheme"]
    try:
        return httpx.URL(f"{scheme}://{host}")
    except httpx.InvalidURL:
        return httpx.URL(f"{scheme}://localhost")


def _end_to_end(headers: Headers) -> RawHeaders:
    """What is meant for the registry, not for the connection to this gateway."""
    dropped = {*_HOP_BY_HOP, *_named(headers.get("connection", ""))}
    dropped |= {"host", "x-forwarded-host", "x-forwarded-proto"}
    if "transfer-encoding" in headers:
        dropped.add("content-length")
    return [(name, value) for name, value in headers.raw if name.decode("latin-1") not in dropped]


def _named(connection: str) -> set[str]:
    """Headers that a `Connection` header keeps to one connection."""
    return {name.strip().lower() for name in connection.split(",")}


def _text(error: Exception) -> str:
    return str(error) or type(error).__name__


def has_body(request: Request) -> bool:
    length = request.headers.get("content-length", "0")
    return "transfer-encoding" in request.headers or length != "0"


def authorization(request: Request) -> RawHeaders:
    """A client's credentials, for questions that are asked on its behalf."""
    return [(name, value) for name, value in request.headers.raw if name == b"authorization"]
