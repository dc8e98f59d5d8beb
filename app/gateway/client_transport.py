"""Lets the distribution client use the gateway's HTTP transport.

A question to the registry takes a third of the CPU that it takes with the transport of httpx, and
the first start of a gateway asks for every tag.
"""

from collections.abc import AsyncIterator

import httpx

from app.gateway.transport import Response, Transport, UpstreamError


class ClientTransport(httpx.AsyncBaseTransport):
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raises httpx.TransportError."""
        content = await request.aread()
        try:
            response = await self._transport.request(
                request.method, str(request.url), request.headers.raw, content or None
            )
        except UpstreamError as error:
            raise httpx.TransportError(str(error)) from None
        return httpx.Response(
            response.status, headers=list(response.headers), stream=_Stream(response)
        )

    async def aclose(self) -> None:
        await self._transport.close()


class _Stream(httpx.AsyncByteStream):
    def __init__(self, response: Response) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._response.chunks():
                yield chunk
        except UpstreamError as error:
            raise httpx.TransportError(str(error)) from None

    async def aclose(self) -> None:
        await self._response.close()
