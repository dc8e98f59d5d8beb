"""Fixtures: one registry with one gateway before it."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from tests.patience import PATIENCE

from .programs import PROGRAMS, Clients, Gateway, Registry, build_tools, gateway, registry


@pytest.fixture(scope="session")
def tools() -> Path:
    return build_tools()


@pytest.fixture
def clients(tools: Path, tmp_path: Path) -> Clients:
    return Clients(tools, tmp_path / "docker")


@pytest_asyncio.fixture
async def upstream(
    request: pytest.FixtureRequest, tools: Path, tmp_path: Path
) -> AsyncIterator[Registry]:
    """Debian's docker-registry. A test with `ON_BOTH` runs on distribution v3 as well."""
    (tmp_path / "limits").mkdir(exist_ok=True)
    async with registry(tools, tmp_path, getattr(request, "param", PROGRAMS[0])) as running:
        yield running


@pytest_asyncio.fixture
async def gate(upstream: Registry, tmp_path: Path) -> AsyncIterator[Gateway]:
    async with gateway(tmp_path, upstream.url) as running:
        yield running


@pytest_asyncio.fixture
async def client(gate: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=gate.url, timeout=PATIENCE) as client:
        yield client


@pytest_asyncio.fixture
async def direct(upstream: Registry) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=upstream.url, timeout=PATIENCE) as client:
        yield client
