"""Requests to the API server, in plain JSON.

kubernetes-asyncio provides configuration, authentication and connections. Its generated models are
not used: a watch of a hundred thousand objects should parse only what is needed. The library takes
some 35 MB, so a process imports it when it connects.
"""

import contextlib
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import aiohttp
from pydantic_core import from_json

from app.cluster.clock import ServerClock
from app.cluster.connection_errors import connection_problem
from app.cluster.watch_stream import lines
from app.model.errors import UnusableError

if TYPE_CHECKING:
    from kubernetes_asyncio.client import ApiClient

MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
PAGE = 500
"""Objects in one page of a list."""
MAX_EVENT = 64 * 2**20
"""Bytes of one watch event. etcd stores objects of 1.5 MiB by default, and is often configured for
more."""
_JSON = "application/json"
_METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
PATIENCE = 10.0
"""Seconds without an answer, or without a part of it, after which a request has failed."""
_PATH = re.compile(r"(?:/[A-Za-z0-9_.:@+=~-]+)+/?", re.ASCII)
_DOTS = re.compile(r"/\.\.?(?:/|$)")
"""Matches paths in which a tenant's choice of name would change the target."""


class ApiError(UnusableError):
    """An error response of the API server, or no response: then `status` is 0."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class ConflictError(ApiError):
    """409: another client has changed the object since it was read."""


class NotFoundError(ApiError):
    """404: the object or the API does not exist."""


class ForbiddenError(ApiError):
    """403: RBAC does not allow the request."""


class GoneError(ApiError):
    """410: the requested version is too old, so that the list has to be read again."""


def is_unanswered(error: Exception) -> bool:
    """Whether there was no response, or a response that says that the API is down (5xx)."""
    unable = isinstance(error, ApiError) and (
        error.status == 0 or error.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    )
    return unable or isinstance(error, TimeoutError)


def concerns_one_object(error: ApiError) -> bool:
    """Whether a response may be about the requested object alone: a stored object that cannot be
    decoded is a 500. No response, missing rights and overload concern all objects."""
    return error.status not in (
        0,
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    )


_ERRORS: dict[int, type[ApiError]] = {
    HTTPStatus.CONFLICT: ConflictError,
    HTTPStatus.FORBIDDEN: ForbiddenError,
    HTTPStatus.NOT_FOUND: NotFoundError,
    HTTPStatus.GONE: GoneError,
}

Content = dict[str, Any]
Query = Mapping[str, str]


@dataclass(frozen=True)
class _Request:
    method: str
    path: str
    query: Query | None = None
    content: Content | None = None
    content_type: str = _JSON
    accept: str = _JSON

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class KubeApi:
    """Requests by path, such as `/api/v1/limitranges`. Every failure is an ApiError."""

    def __init__(
        self, client: "ApiClient", max_event: int = MAX_EVENT, patience: float = PATIENCE
    ) -> None:
        """`max_event`: bytes of one watch event. `patience`: seconds of silence in a response."""
        self.client = client
        self._max_event = max_event
        self._patience = patience
        self.clock = ServerClock()

    @classmethod
    async def connect(
        cls, kubeconfig: str | None, context: str | None, patience: float = PATIENCE
    ) -> "KubeApi":
        """Connect to the cluster that a kubeconfig names, or to the one that this process runs in.

        Raises kubernetes_asyncio.config.ConfigException if there is neither.
        """
        from kubernetes_asyncio import config
        from kubernetes_asyncio.client import ApiClient, Configuration

        configuration = Configuration()
        if kubeconfig is None and context is None:
            config.load_incluster_config(client_configuration=configuration)
        else:
            await config.load_kube_config(
                config_file=kubeconfig, context=context, client_configuration=configuration
            )
        configuration.connection_pool_maxsize = 100
        client = ApiClient(configuration)
        # aiohttp sends a PUT again if the connection breaks. A write that has arrived would then
        # conflict with itself, and seem to have been refused.
        client.rest_client.pool_manager._retry_connection = False
        return cls(client, patience=patience)

    @property
    def url(self) -> str:
        """The address of the API server."""
        return str(self.client.configuration.host)

    async def close(self) -> None:
        await self.client.close()

    async def get(self, path: str, query: Query | None = None) -> Content:
        return await self._answer(_Request("GET", path, query))

    async def pages(
        self, path: str, query: Query | None = None, limit: int = PAGE
    ) -> AsyncGenerator[Content, None]:
        """The pages of a list, `limit` objects each."""
        query = {**(query or {}), "limit": str(limit)}
        while True:
            page = await self.get(path, query)
            yield page
            following = page["metadata"].get("continue")
            if not following:
                return
            query["continue"] = following

    async def items(
        self, path: str, query: Query | None = None, limit: int = PAGE
    ) -> AsyncGenerator[Content, None]:
        """The objects of a list, read page by page."""
        async for page in self.pages(path, query, limit):
            for item in page.get("items") or []:
                yield item

    async def metadata(self, path: str) -> Content:
        """Only the metadata of an object, such as a Secret whose data we may not read."""
        return await self._answer(_Request("GET", path, accept=_METADATA_ONLY))

    async def create(self, path: str, content: Content, query: Query | None = None) -> Content:
        return await self._answer(_Request("POST", path, query, content))

    async def replace(self, path: str, content: Content) -> Content:
        return await self._answer(_Request("PUT", path, None, content))

    async def merge(self, path: str, patch: Content, query: Query | None = None) -> Content:
        """Apply a JSON merge patch: fields that the patch does not name stay as they are."""
        return await self._answer(_Request("PATCH", path, query, patch, MERGE_PATCH))

    async def apply(
        self,
        path: str,
        content: Content,
        manager: str,
        *,
        force: bool = True,
        dry_run: bool = False,
    ) -> Content:
        """Server-side apply: create the object, or set the fields that the content names.

        With `force`, fields of other managers are taken over; without it they raise ConflictError.
        """
        query = {"fieldManager": manager, "force": str(force).lower()}
        if dry_run:
            query["dryRun"] = "All"
        return await self._answer(_Request("PATCH", path, query, content, APPLY_PATCH))

    async def delete(self, path: str, content: Content | None = None) -> None:
        await self._answer(_Request("DELETE", path, None, content))

    async def watch(self, path: str, query: Query) -> AsyncGenerator[Content, None]:
        """The events of a watch until the API server ends it. There is no limit on silence."""
        bounds = aiohttp.ClientTimeout(sock_connect=self._patience)
        request = _Request("GET", path, {**query, "watch": "true"})
        async with self._open(request, bounds) as response:
            async for line in lines(response.content, self._max_event):
                yield from_json(line)

    async def _answer(self, request: _Request) -> Content:
        # A page of large objects may take longer, as long as something of it arrives.
        bounds = aiohttp.ClientTimeout(connect=self._patience, sock_read=self._patience)
        async with self._open(request, bounds) as response:
            answer: Content = from_json(await response.read())
            return answer

    @asynccontextmanager
    async def _open(
        self, request: _Request, bounds: aiohttp.ClientTimeout
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        method, path = request.method, request.path
        if _PATH.fullmatch(path) is None or _DOTS.search(path):
            raise NotFoundError(HTTPStatus.NOT_FOUND, f"{method} {path!r}: no path of the API")
        sent = time.time()
        try:
            response: aiohttp.ClientResponse = await self.client.call_api(
                path,
                method,
                query_params=list((request.query or {}).items()),
                header_params={"Accept": request.accept, "Content-Type": request.content_type},
                body=request.content,
                auth_settings=["BearerToken"],
                _preload_content=False,
                _request_timeout=bounds,
            )
        except aiohttp.ClientConnectorError as error:
            raise ApiError(0, self._unreachable(error)) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ApiError(0, f"{request}: {self._cause(error)}") from error
        with contextlib.suppress(ValueError, TypeError):
            date = parsedate_to_datetime(response.headers.get("Date", ""))
            self.clock.observe(date.timestamp(), sent=sent, received=time.time())
        try:
            if response.status >= HTTPStatus.BAD_REQUEST:
                raise await _error(request, response)
            yield response
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise ApiError(0, f"{request}: {self._cause(error)}") from error
        finally:
            response.release()

    def _cause(self, error: Exception) -> str:
        if isinstance(error, TimeoutError):
            return f"no answer within {self._patience:g} seconds"
        if isinstance(error, aiohttp.InvalidURL):
            return f"{self.url} is not the address of an API server"
        return str(error) or type(error).__name__

    def _unreachable(self, error: aiohttp.ClientConnectorError) -> str:
        why = connection_problem(error.os_error)
        return f"cannot reach the API server {self.url}: {why}"


async def _error(request: _Request, response: aiohttp.ClientResponse) -> ApiError:
    text = await response.text(errors="replace")
    try:
        message = from_json(text)["message"]
    except (ValueError, KeyError, TypeError):
        message = text[:200]
    kind = _ERRORS.get(response.status, ApiError)
    return kind(response.status, f"{request}: {message}")
