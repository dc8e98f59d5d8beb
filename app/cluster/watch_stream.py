"""Splits the stream of a watch into its events."""

from collections.abc import AsyncGenerator

import aiohttp


async def lines(stream: aiohttp.StreamReader, max_bytes: int) -> AsyncGenerator[bytes, None]:
    """The lines of a stream.

    aiohttp's own reader fails on lines of some MiB, which the event of a large object has. Raises
    ValueError beyond `max_bytes`.
    """
    pieces: list[bytes] = []
    size = 0
    async for chunk in stream.iter_any():
        *ended, rest = chunk.split(b"\n")
        for line in ended:
            yield b"".join((*pieces, line))
            pieces, size = [], 0
        if rest:
            pieces.append(rest)
            size += len(rest)
            if size > max_bytes:
                raise ValueError(f"an event is larger than {max_bytes // 2**20} MiB")
    if pieces:
        yield b"".join(pieces)
