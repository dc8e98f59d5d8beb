"""A client for one registry with bounded time and bytes, for allowed hosts only."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass

import httpx

from app.model.manifest import MEDIA_TYPES, Manifest, digest_of
from app.registry.credentials import NO_CREDENTIALS, Credentials
from app.registry.errors import RegistryError
from app.registry.hosts import AllowedHosts, host_of
from app.registry.manifest import parse
from app.registry.names import Reference
from app.registry.tokens import Challenge, Tokens

_TIMEOUT = 10.0
"""Seconds for one call, including all its requests."""
_MAX_HOPS = 3
_REDIRECTS = (301, 302, 303, 307, 308)
_PAGE = 1000
_MAX_ANSWER = 16 * 2**20
"""Bytes. Some registries send all tags of a repository in one answer."""
_BAD_REQUEST = 400
_NO_CATALOG = frozenset({404, 405, 501})
_LATER = frozenset({429, 503})
"""Statuses with which a server may say when to ask again."""
_ACCEPT = ", ".join(MEDIA_TYPES)


class RegistryUnavailableError(Exception):
    """The registry gave no usable answer. The text names the request and the failure."""

    def __init__(self, message: str, status: int = 0, retry_after: float = 0.0) -> None:
        """`status`: HTTP status of the answer; 0 if there was none. 429 and 503 may come from the
        token service. `retry_after`: seconds after which it wants to be asked again; 0 if it names
        none."""
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after

    @property
    def passes(self) -> bool:
        """Whether the server says that the same question may be answered a little later."""
        return self.status == httpx.codes.TOO_MANY_REQUESTS or (
            self.status == httpx.codes.SERVICE_UNAVAILABLE and self.retry_after > 0
        )


class NoCatalogError(RegistryUnavailableError):
    """The registry does not offer `/v2/_catalog`."""


@dataclass(frozen=True)
class StoredManifest:
    digest: str
    media_type: str


@dataclass(frozen=True)
class StoredContent:
    """The bytes of a stored manifest, not parsed."""

    digest: str
    media_type: str
    content: bytes


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: httpx.Headers
    body: bytes


class RegistryClient:
    """Reads what a registry stores. Every failure raises RegistryUnavailableError."""

    def __init__(
        self,
        origin: str,
        credentials: Credentials = NO_CREDENTIALS,
        *,
        allowed_hosts: Collection[str] = (),
        context: ssl.SSLContext | None = None,
        timeout: float = _TIMEOUT,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """`origin` is `https://host[:port]`, with the path before `/v2/` if there is one; the
        registry may send on to `allowed_hosts` for tokens only.

        `timeout`: seconds for one question. `transport` replaces the network.
        """
        self._origin = httpx.URL(origin)
        self._allowed = AllowedHosts({host_of(self._origin), *allowed_hosts})
        self._timeout = timeout
        self._http = httpx.AsyncClient(
            verify=context or True,
            transport=transport,
            timeout=timeout,
            trust_env=False,
            follow_redirects=False,
            headers={"User-Agent": "registry-admission"},
        )
        self._tokens = Tokens(credentials, self._token_answer)

    async def close(self) -> None:
        await self._http.aclose()

    async def manifest_head(self, repository: str, reference: str) -> StoredManifest | None:
        """The digest and media type of a reference; None if it is not stored."""
        answer = await self._ask("HEAD", f"/v2/{repository}/manifests/{reference}", repository)
        if answer is None:
            return None
        if digest := answer.headers.get("docker-content-digest", ""):
            return StoredManifest(digest, _media_type(answer))
        stored = await self.content(repository, reference)
        return StoredManifest(stored.digest, stored.media_type) if stored else None

    async def content(self, repository: str, reference: str) -> StoredContent | None:
        """A stored manifest of any media type, not parsed; None if there is none.

        The digest is the requested one, or that of the bytes.
        """
        answer = await self._ask("GET", f"/v2/{repository}/manifests/{reference}", repository)
        if answer is None:
            return None
        digest = reference if ":" in reference else digest_of(answer.body)
        return StoredContent(digest, _media_type(answer), answer.body)

    async def manifest(self, repository: str, reference: str) -> Manifest | None:
        """A stored manifest, parsed, and verified if requested by digest. None if there is none."""
        answer = await self._ask("GET", f"/v2/{repository}/manifests/{reference}", repository)
        if answer is None:
            return None
        expected = Reference(digest=reference) if ":" in reference else Reference(tag=reference)
        try:
            return parse(answer.body, answer.headers.get("content-type", ""), expected)
        except RegistryError as error:
            raise RegistryUnavailableError(f"{repository}@{reference}: {error}") from None

    async def has_blob(self, repository: str, digest: str) -> bool:
        """Whether the repository has a blob.

        A redirect to the registry's storage counts as present and is not followed.
        """
        path = f"/v2/{repository}/blobs/{digest}"
        return await self._ask("HEAD", path, repository, follow=False) is not None

    async def tags(self, repository: str) -> AsyncIterator[str]:
        async for tag in self._list(f"/v2/{repository}/tags/list", repository, "tags"):
            yield tag

    async def repositories(self) -> AsyncIterator[str]:
        """The registry's catalog. Raises NoCatalogError where it has none."""
        try:
            async for name in self._list("/v2/_catalog", "", "repositories"):
                yield name
        except RegistryUnavailableError as error:
            if error.status in _NO_CATALOG:
                raise NoCatalogError(str(error), error.status) from None
            raise

    async def _list(self, path: str, repository: str, field: str) -> AsyncIterator[str]:
        """Every name of a paged list; none if the repository does not exist."""
        seen: set[str] = set()
        page: str | None = f"{path}?n={_PAGE}"
        while page is not None:
            seen.add(page)
            answer = await self._page(page, path, repository)
            if answer is None:
                return
            try:
                names = json.loads(answer.body)[field] or []
            except (ValueError, KeyError, TypeError, RecursionError):
                message = f"GET {path}: the answer has no list of {field}"
                raise RegistryUnavailableError(message, answer.status) from None
            for name in names:
                yield str(name)
            page = _next_page(path, answer.headers)
            if page in seen:
                raise RegistryUnavailableError(f"GET {path}: page {page} comes again", 200)

    async def _page(self, page: str, path: str, repository: str) -> _Answer | None:
        """One page. If the registry refuses our page size, it chooses the size. None for 404."""
        try:
            answer = await self._ask("GET", page, repository)
        except RegistryUnavailableError as error:
            if error.status != _BAD_REQUEST or page != f"{path}?n={_PAGE}":
                raise
            answer = await self._ask("GET", path, repository)
        if answer is None and not repository:
            raise RegistryUnavailableError(f"GET {path}: status 404", 404)
        return answer

    async def _ask(
        self, method: str, path: str, repository: str, *, follow: bool = True
    ) -> _Answer | None:
        """A 200 answer, or a redirect that is not followed; None for 404."""
        address = f"{str(self._origin).rstrip('/')}{path}"
        scope = f"repository:{repository}:pull" if repository else "registry:catalog:*"
        try:
            async with asyncio.timeout(self._timeout):
                answer = await self._authorized(method, httpx.URL(address), scope, follow)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError) as error:
            what = str(error) or type(error).__name__
            raise RegistryUnavailableError(f"{method} {address}: {what}") from None
        if answer.status == httpx.codes.NOT_FOUND:
            return None
        if answer.status != httpx.codes.OK and (follow or answer.status not in _REDIRECTS):
            raise _unavailable(f"{method} {address}", answer)
        return answer

    async def _authorized(self, method: str, url: httpx.URL, scope: str, follow: bool) -> _Answer:
        answer = await self._follow(method, url, self._tokens.header(scope), follow)
        if answer.status != httpx.codes.UNAUTHORIZED:
            return answer
        challenge = Challenge.parse(answer.headers.get("www-authenticate", ""))
        header = await self._tokens.answer(challenge, scope)
        return await self._follow(method, url, header, follow) if header else answer

    async def _follow(
        self, method: str, url: httpx.URL, authorization: str, follow: bool
    ) -> _Answer:
        """Follow redirects within the same registry only."""
        headers = {"Accept": _ACCEPT, **({"Authorization": authorization} if authorization else {})}
        for _ in range(_MAX_HOPS):
            if host_of(url) != host_of(self._origin) or url.scheme != self._origin.scheme:
                raise ValueError(f"leads to another host, {host_of(url)}, which is not asked")
            answer = await self._send(method, url, headers)
            if answer.status not in _REDIRECTS or not follow:
                return answer
            url = url.join(answer.headers.get("location", ""))
        raise ValueError("redirects without end")

    async def _token_answer(
        self, method: str, url: str, headers: dict[str, str], data: dict[str, str] | None = None
    ) -> bytes:
        if self._origin.scheme == "https" and httpx.URL(url).scheme != "https":
            raise ValueError(f"{url} asks for credentials without TLS")
        answer = await self._send(method, httpx.URL(url), headers, data)
        question = f"token request to {host_of(httpx.URL(url))}"
        if answer.status in _LATER:
            raise _unavailable(question, answer)
        # Any other status says nothing about the object in question.
        if answer.status != httpx.codes.OK:
            raise ValueError(f"{question}: status {answer.status}")
        return answer.body

    async def _send(
        self,
        method: str,
        url: httpx.URL,
        headers: dict[str, str],
        data: dict[str, str] | None = None,
    ) -> _Answer:
        await self._allowed.require(url)
        async with self._http.stream(method, url, headers=headers, data=data) as response:
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > _MAX_ANSWER:
                    raise ValueError(f"answers with more than {_MAX_ANSWER} bytes")
            return _Answer(response.status_code, response.headers, bytes(body))


def _unavailable(question: str, answer: _Answer) -> RegistryUnavailableError:
    seconds = answer.headers.get("retry-after", "")
    retry_after = float(seconds) if seconds.isdecimal() else 0.0
    return RegistryUnavailableError(
        f"{question}: status {answer.status}", answer.status, retry_after
    )


def _media_type(answer: _Answer) -> str:
    return str(answer.headers.get("content-type", "")).partition(";")[0].strip()


def _next_page(path: str, headers: httpx.Headers) -> str | None:
    """The next page that `Link` names: the same list, with the query of that address. A registry
    behind a proxy may name another scheme, host and path than its address here."""
    address = httpx.Response(200, headers=headers).links.get("next", {}).get("url")
    if address is None:
        return None
    return f"{path}?{address.partition('?')[2].partition('#')[0]}"
