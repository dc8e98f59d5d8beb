"""The registry behind the gateway. Requests and answers pass through chunk by chunk."""

import re
import ssl
import time
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from starlette.requests import Request

from app.gateway.addresses import Addresses, Origin
from app.gateway.transport import Body, HttpTransport, RawHeaders, Response, Transport
from app.registry.routes import uploads_of

_HOP_BY_HOP = frozenset(
    {
        b"connection", b"expect", b"keep-alive", b"proxy-authenticate", b"proxy-authorization",
        b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade",
    }
)  # fmt: skip
_NOT_PASSED_BACK = _HOP_BY_HOP | {b"date"}
_WITH_ADDRESSES = frozenset({b"location", b"link", b"www-authenticate"})
_NOT_PASSED_ON = _HOP_BY_HOP | {b"host", b"x-forwarded-host", b"x-forwarded-proto"}
_IN_LOCATION = re.compile(r"(?:(?:[A-Za-z+.-]+:)?//[^/?#]*)?([^#]*)")
"""Path and query."""
_REALM_INTERVAL = 10.0
"""Seconds between two questions for the registry's token service."""
_HOST = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?", re.ASCII)


@dataclass(frozen=True)
class Answer:
    """An answer whose head has been read. The caller has to close it."""

    status: int
    headers: list[tuple[bytes, bytes]]
    """Names are in lower case. Addresses are those for clients."""
    _response: Response

    def header(self, name: str) -> str:
        """The first header of a name, or an empty text."""
        wanted = name.encode()
        return next((v.decode("latin-1") for n, v in self.headers if n == wanted), "")

    @property
    def path(self) -> str:
        """Path and query of `Location`."""
        found = _IN_LOCATION.match(self.header("location"))
        return found[1] if found else ""

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as the registry sent it. Raises UpstreamError if it is incomplete."""
        return self._response.chunks()

    async def close(self) -> None:
        await self._response.close()


class Upstream:
    """Forwards requests. It follows no redirect, keeps no cookie and decodes no content."""

    def __init__(
        self,
        origin: str,
        external: str | None,
        *,
        idle_timeout: float,
        answer_timeout: float,
        storage_hosts: Collection[str] = (),
        context: ssl.SSLContext | None = None,
        transport: Transport | None = None,
    ) -> None:
        """`external`: the gateway's origin for clients; None derives it from each request.

        `storage_hosts`: `host[:port]` that the registry may redirect to for blobs.
        `answer_timeout`: seconds that the registry may take to answer a whole request.
        `transport` replaces the network.
        """
        self._origin = Origin.parse(origin)
        self._external = external
        self._storage_hosts = frozenset(storage_hosts)
        self.addresses = Addresses(self._origin)
        self._ask_realm_at = 0.0
        self._transport = transport or HttpTransport(
            answer_timeout=answer_timeout, idle_timeout=idle_timeout, context=context
        )

    async def close(self) -> None:
        await self._transport.close()

    async def forward(self, request: Request, body: Body) -> Answer:
        """Forward a client's request with the same method, path, query and headers.

        Raises UpstreamError, RegistryError for an upload session that is not known or leads
        elsewhere, and whatever reading the body raises.
        """
        path = request.scope["raw_path"].decode("latin-1")
        query = request.scope["query_string"].decode("latin-1")
        external = self.external(request)
        scheme, _, host = external.partition("://")
        headers = [
            *_end_to_end(request.scope["headers"]),
            (b"x-forwarded-host", host.encode()),
            (b"x-forwarded-proto", scheme.encode()),
        ]
        return await self._ask(request.method, path, query, headers, body, external)

    def external(self, request: Request) -> str:
        """The gateway's origin for a client."""
        return self._external or _external(request)

    async def send(
        self, method: str, path: str, headers: RawHeaders = (), *, external: str = ""
    ) -> Answer:
        """Send a request of the gateway's own. `path` is the one for clients, with its query. The
        answer has addresses at the `external` origin.

        Raises UpstreamError, RegistryError for an upload session that is not known or leads
        elsewhere.
        """
        path, _, query = path.partition("?")
        return await self._ask(method, path, query, headers, None, external)

    async def is_token_service(self, path: str) -> bool:
        """Whether a path is that of a token service on the registry's own host.

        A client may have learned the path from another gateway process. So for an unknown path
        this process asks the registry for its challenge. Raises UpstreamError.
        """
        realms = self.addresses.realms
        if path in realms or path.startswith("/v2/") or path == "/v2":
            return path in realms
        if time.monotonic() >= self._ask_realm_at:
            self._ask_realm_at = time.monotonic() + _REALM_INTERVAL
            await (await self.send("GET", "/v2/")).close()
        return path in realms

    async def head_of_stored(self, answer: Answer) -> Answer | None:
        """The head of the object that a redirect of the registry leads to, requested without
        credentials. None if its host is not in `storage_hosts`. Raises UpstreamError."""
        address = urljoin(self._origin.base, answer.header("location"))
        parts = urlsplit(address)
        if parts.netloc not in self._storage_hosts or parts.scheme not in ("http", "https"):
            return None
        response = await self._transport.request("HEAD", address, (), None)
        return Answer(response.status, _lowered(response.headers), response)

    async def _ask(
        self, method: str, path: str, query: str, headers: RawHeaders, body: Body, external: str
    ) -> Answer:
        address = self.addresses.inside(path, query)
        response = await self._transport.request(method, address, headers, body)
        try:
            return Answer(
                response.status, self._for_clients(response, path, address, external), response
            )
        except BaseException:
            await response.close()
            raise

    def _for_clients(
        self, response: Response, path: str, asked: str, external: str
    ) -> list[tuple[bytes, bytes]]:
        """The headers for clients, with rewritten addresses."""
        sent = _lowered(response.headers)
        dropped = _NOT_PASSED_BACK | _named(sent)
        headers = []
        for name, value in sent:
            if name in dropped:
                continue
            if name in _WITH_ADDRESSES:
                text = value.decode("latin-1")
                value = self._address(name, text, path, asked, external, response.status).encode(
                    "latin-1"
                )
            headers.append((name, value))
        return headers

    def _address(
        self, name: bytes, text: str, path: str, asked: str, external: str, status: int
    ) -> str:
        addresses = self.addresses
        if name == b"link":
            return addresses.link(text, asked, external)
        if name == b"www-authenticate":
            return addresses.challenge(text, external)
        repository = uploads_of(path)
        if repository and status in (202, 204):
            return addresses.session(text, asked, repository, external)
        return addresses.outside(text, asked, external, ours=status < 300)


def _lowered(headers: RawHeaders) -> list[tuple[bytes, bytes]]:
    return [(name.lower(), value) for name, value in headers]


def _external(request: Request) -> str:
    """The gateway's origin by X-Forwarded-Host and X-Forwarded-Proto, or by Host."""
    forwarded = header(request, b"x-forwarded-host").partition(",")[0].strip()
    scheme = header(request, b"x-forwarded-proto").partition(",")[0].strip()
    host = forwarded or header(request, b"host")
    scheme = scheme if scheme in ("http", "https") else request.scope["scheme"]
    return f"{scheme}://{host if _HOST.fullmatch(host) else 'localhost'}"


def _end_to_end(headers: RawHeaders) -> list[tuple[bytes, bytes]]:
    """The headers for the registry, without those for the connection to this gateway."""
    dropped = _NOT_PASSED_ON | _named(headers)
    if any(name == b"transfer-encoding" for name, _ in headers):
        dropped |= {b"content-length"}
    return [(name, value) for name, value in headers if name not in dropped]


def _named(headers: RawHeaders) -> set[bytes]:
    """The headers that `Connection` headers name."""
    values = [value for name, value in headers if name == b"connection"]
    return {name.strip().lower() for value in values for name in value.split(b",")}


def header(request: Request, name: bytes) -> str:
    """The first header of a name in lower case, or an empty text."""
    for found, value in request.scope["headers"]:
        if found == name:
            return str(value, "latin-1")
    return ""


def has_body(request: Request) -> bool:
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
        for name, value in request.scope["headers"]
    )


def authorization(request: Request) -> list[tuple[bytes, bytes]]:
    """A client's credentials, for requests on its behalf."""
    return [(name, value) for name, value in request.scope["headers"] if name == b"authorization"]
