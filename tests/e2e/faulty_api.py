"""A proxy between the service and the API server that causes the faults a test asks for."""

import asyncio
import ssl
import threading

import aiohttp
from aiohttp import web

from tests.patience import PATIENCE

from .cluster import Cluster

_HOP_BY_HOP = {"transfer-encoding", "content-length", "connection", "content-encoding"}
_GONE = {"code": 410, "kind": "Status", "reason": "Expired", "message": "too old resource version"}


class FaultyApi:
    """Passes requests on over plain HTTP, from a thread of its own."""

    def __init__(self, cluster: Cluster) -> None:
        self.status: int | None = None
        """The status with which every request is answered; None: requests are passed on."""
        self.delay = 0.0
        """Seconds before an answer begins."""
        self.gone = False
        """Whether watches begin with 410."""
        self._cluster = cluster
        self._open: set[asyncio.Transport] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        started = asyncio.run_coroutine_threadsafe(self._start(), self._loop)
        self.url = f"http://127.0.0.1:{started.result(PATIENCE)}"

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(PATIENCE)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def heal(self) -> None:
        """Cause no fault from now on."""
        self.status, self.delay, self.gone = None, 0.0, False

    def cut(self) -> None:
        """Ends every answer that is in progress, which are mostly watches."""
        self._loop.call_soon_threadsafe(self._abort)

    def _abort(self) -> None:
        for transport in self._open:
            transport.abort()

    async def _start(self) -> int:
        context = ssl.create_default_context(cafile=str(self._cluster.ca_file))
        self._upstream = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context), timeout=aiohttp.ClientTimeout(None)
        )
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port: int = self._runner.addresses[0][1]
        return port

    async def _end(self) -> None:
        self._abort()
        await self._runner.cleanup()
        await self._upstream.close()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        transport = request.transport
        assert transport is not None
        self._open.add(transport)
        try:
            return await self._answer(request)
        except aiohttp.ClientError:
            # The client sees the same as without a proxy.
            transport.abort()
            return web.Response(status=502)
        finally:
            self._open.discard(transport)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        await asyncio.sleep(self.delay)
        if self.status is not None:
            return web.Response(status=self.status, text="not today")
        if self.gone and request.query.get("watch"):
            return web.json_response({"type": "ERROR", "object": _GONE})
        headers = {name: value for name, value in request.headers.items() if name != "Host"}
        async with self._upstream.request(
            request.method, self._cluster.url + request.path_qs, headers=headers, data=body
        ) as answer:
            passed = {k: v for k, v in answer.headers.items() if k.lower() not in _HOP_BY_HOP}
            response = web.StreamResponse(status=answer.status, headers=passed)
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
            return response
