"""Chromium, and the real command serving the page on folders of 10, 300 and 5,000 namespaces."""

import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from tests.patience import PATIENCE

from .site import Site, site

_HERE = Path(__file__).parent
_FLAGS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

expect.set_options(timeout=1000 * PATIENCE)


@pytest.fixture(scope="session")
def chromium() -> str:
    found = subprocess.run(
        [_HERE / "tools" / "build"], stdout=subprocess.PIPE, text=True, check=True
    )
    return found.stdout.strip()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(chromium: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=chromium, args=_FLAGS)
        yield running
        await running.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def sites(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator["Sites"]:
    """Sites by their number of namespaces, started when they are first asked for."""
    async with AsyncExitStack() as stack:
        yield Sites(stack, browser, tmp_path_factory.mktemp("sites"))


class Sites:
    def __init__(self, stack: AsyncExitStack, browser: Browser, folder: Path) -> None:
        self._stack = stack
        self._browser = browser
        self._folder = folder
        self._running: dict[int, Site] = {}

    async def of(self, count: int) -> Site:
        if count not in self._running:
            folder = self._folder / str(count)
            opened = site(folder, count, self._browser)
            self._running[count] = await self._stack.enter_async_context(opened)
        return self._running[count]


@pytest_asyncio.fixture(loop_scope="session")
async def small(sites: Sites) -> Site:
    return await sites.of(10)
