"""A transport that calls a function instead of the network."""

from collections.abc import AsyncIterator, Awaitable, Callable

import httpx

from app.gateway.transport import Body, RawHeaders

Handler = Callable[[httpx.Request], Awaitable[httpx.Response]]


class FakeTransport:
    """Reads the whole body, then gives the handler's answer or raises its exception."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler

    async def request(
        self, method: str, url: str, headers: RawHeaders, body: Body
    ) -> "_FakeResponse":
        content = body if isinstance(body, bytes) else b""
        if body is not None and not isinstance(body, bytes):
            content = b"".join([chunk async for chunk in body])
        target = httpx.URL(url.partition("/v2")[0] or url)
        raw_path = url.removeprefix(f"{target.scheme}://{target.netloc.decode()}").encode()
        request = httpx.Request(method, target.copy_with(raw_path=raw_path), content=content)
        request.headers = httpx.Headers(list(headers))
        return _FakeResponse(await self._handler(request))

    async def close(self) -> None:
        pass


class _FakeResponse:
    def __init__(self, response: httpx.Response) -> None:
        self.status = response.status_code
        self.headers = response.headers.raw
        self._content = response.content

    async def chunks(self) -> AsyncIterator[bytes]:
        yield self._content

    async def close(self) -> None:
        pass
