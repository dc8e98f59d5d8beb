"""A service with a small body limit, shared by the tests that only send bad requests."""

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from tests.api.service import serve
from tests.patience import PATIENCE


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def small_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[str, Path]]:
    folder = tmp_path_factory.mktemp("small")
    async with serve(folder, "--max-body-bytes", "1000") as running:
        yield running.url, folder / "tls" / "ca.crt"


@pytest_asyncio.fixture
async def small(small_url: tuple[str, Path]) -> AsyncIterator[httpx.AsyncClient]:
    url, authority = small_url
    context = ssl.create_default_context(cafile=authority)
    async with httpx.AsyncClient(base_url=url, verify=context, timeout=PATIENCE) as client:
        yield client
