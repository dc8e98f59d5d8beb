"""A write is sent once. If its answer is lost, the outcome is unknown and not a refusal."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.cluster.api import ApiError, ConflictError, KubeApi


class Breaking:
    """An API server that breaks the connection after each PUT."""

    def __init__(self) -> None:
        self.puts = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next(line for line in head.splitlines() if line.startswith("Content-Length"))
        await reader.readexactly(int(length.partition(":")[2]))
        self.puts += head.startswith("PUT ")
        writer.close()


@pytest.fixture
async def server() -> AsyncIterator[tuple[Breaking, int]]:
    breaking = Breaking()
    async with await asyncio.start_server(breaking.answer, "127.0.0.1", 0) as server:
        yield breaking, server.sockets[0].getsockname()[1]


async def test_a_write_whose_answer_is_lost_is_not_sent_again(
    server: tuple[Breaking, int], tmp_path: Path
) -> None:
    breaking, port = server
    config = {
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "one", "user": "me"}}],
        "clusters": [{"name": "one", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "me", "user": {}}],
    }
    (tmp_path / "config").write_text(json.dumps(config))
    api = await KubeApi.connect(str(tmp_path / "config"), None)

    with pytest.raises(ApiError) as error:
        await api.replace("/api/v1/namespaces/ns/configmaps/one", {"kind": "ConfigMap"})
    await api.close()

    assert not isinstance(error.value, ConflictError)
    assert breaking.puts == 1
