"""The built documentation in a real browser: WCAG's rules, and a phone's width."""

import functools
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import get_args

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, expect

from tests.browser.conftest import browser, chromium
from tests.browser.site import Theme

from .test_site import SITE

pytestmark = pytest.mark.asyncio(loop_scope="session")
__all__ = ["browser", "chromium"]

PAGES = ("", "how-to/install/", "how-to/monitor/", "troubleshooting/", "reference/settings/")
MADE_BY_THE_THEME = {"exclude": [[".md-code__nav"]]}
"""The theme's script gives each copy button a landmark, all with the same name."""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing: a failed test shows what the browser got."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The address at which the site is served."""
    handler = functools.partial(Quiet, directory=str(SITE))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("theme", get_args(Theme))
@pytest.mark.parametrize("width", [1280, 390])
async def test_axe_finds_no_violation_and_pages_fit(
    browser: Browser, url: str, theme: Theme, width: int
) -> None:
    context = await browser.new_context(
        color_scheme=theme, viewport={"width": width, "height": 900}
    )
    page = await context.new_page()
    found = {}
    for path in PAGES:
        await page.goto(f"{url}/{path}")
        violations = (await Axe().run(page, context=MADE_BY_THE_THEME)).response["violations"]
        found[path] = [(one["id"], one["nodes"][0]["html"][:200]) for one in violations]
        assert await page.evaluate("document.documentElement.scrollWidth") == width, path
    assert found == dict.fromkeys(PAGES, [])
    await context.close()


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("path", ["reference/settings/", "troubleshooting/"])
async def test_no_text_is_cut(browser: Browser, url: str, path: str, width: int) -> None:
    context = await browser.new_context(viewport={"width": width, "height": 900})
    page = await context.new_page()
    await page.goto(f"{url}/{path}")
    await expect(page.get_by_role("heading", level=1)).to_be_visible()
    texts = page.locator("td, .language-text code, .md-typeset__scrollwrap")
    assert await texts.count() > 50
    cut = await texts.evaluate_all(
        "all => all.filter(one => one.scrollWidth > one.clientWidth + 1).map(one => one.outerHTML)"
    )
    assert cut == []
    await context.close()


async def test_cells_show_their_column_on_a_phone(browser: Browser, url: str) -> None:
    context = await browser.new_context(viewport={"width": 390, "height": 900})
    page = await context.new_page()
    await page.goto(f"{url}/reference/settings/")
    cell = page.locator("td", has_text="Name of the cluster")
    label = await cell.evaluate("each => getComputedStyle(each, '::before').content")
    assert "What it decides" in label
    await context.close()
