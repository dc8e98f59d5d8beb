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
        """The time of each request, in seconds. Every answer must be a 2xx."""
        answers = await self.answers(connections, requests)
        assert all(200 <= code < 300 for code, _ in answers), answers
        return [seconds for _, seconds in answers]

    async def answers(self, connections: int, requests: int) -> list[tuple[int, float]]:
        """The status code and the time, in seconds, of each request."""
        share, more = divmod(requests, connections)
        parts = await asyncio.gather(
            *(self._connection(share + (turn < more)) for turn in range(connections))
        )
        return [answer for part in parts for answer in part]

    async def _connection(self, requests: int) -> list[tuple[int, float]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, ssl=self._context)
        answers = []
        for _ in range(requests):
            started = time.perf_counter()
            writer.write(self._request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
            answers.append((int(head.split(maxsplit=2)[1]), time.perf_counter() - started))
        writer.close()
        return answers


def _bearer(token: str) -> str:
    return f"Authorization: Bearer {token}\r\n" if token else ""
