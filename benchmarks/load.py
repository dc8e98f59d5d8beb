"""A load generator that costs little: raw HTTP/1.1 over TLS, one request per connection at a
time."""

import asyncio
import ssl
import statistics
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Timing:
    """Seconds."""

    p50: float
    p99: float
    per_second: float

    @classmethod
    def of(cls, seconds: list[float], elapsed: float) -> "Timing":
        cuts = statistics.quantiles(seconds, n=100)
        return cls(cuts[49], cuts[98], len(seconds) / elapsed)


class Client:
    """Posts one body again and again on `connections` kept-alive connections."""

    def __init__(self, port: int, authority: Path, path: str, body: bytes, token: str = "") -> None:
        self._port = port
        self._context = ssl.create_default_context(cafile=authority)
        head = (
            f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n{_bearer(token)}\r\n"
        )
        self._request = head.encode() + body

    async def run(self, connections: int, requests: int) -> list[float]:
        """The time of each request, in seconds."""
        share = requests // connections
        times = await asyncio.gather(*(self._connection(share) for _ in range(connections)))
        return [seconds for part in times for seconds in part]

    async def _connection(self, requests: int) -> list[float]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, ssl=self._context)
        times = []
        for _ in range(requests):
            started = time.perf_counter()
            writer.write(self._request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            answer = await reader.readexactly(length)
            assert head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 201")), answer
            times.append(time.perf_counter() - started)
        writer.close()
        return times


def _bearer(token: str) -> str:
    return f"Authorization: Bearer {token}\r\n" if token else ""
