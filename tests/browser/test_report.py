"""The HTML report of `audit`, opened from a file: readable, and searched without a server."""

import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect

from . import state
from .pictures import OVERFLOWING, pictures
from .site import Theme

pytestmark = pytest.mark.asyncio(loop_scope="session")

OVER = state.name_of(0)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    path = folder / "audit.html"
    command = [
        sys.executable, "-m", "app", "audit", "-o", "html", "--fail-on", "never",
        "--state", str(state.write(folder / "state", 300)), "--cluster-name", "east",
    ]  # fmt: skip
    path.write_bytes(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    return path


async def opened(browser: Browser, report: Path, theme: Theme = "light", width: int = 1280) -> Page:
    context = await browser.new_context(
        color_scheme=theme, viewport={"width": width, "height": 900}
    )
    page = await context.new_page()
    await page.goto(report.as_uri())
    return page


@pytest.mark.parametrize("theme", get_args(Theme))
@pytest.mark.parametrize("width", [1920, 1280, 390])
async def test_axe_finds_no_violation_and_the_report_fits(
    browser: Browser, report: Path, theme: Theme, width: int
) -> None:
    page = await opened(browser, report, theme, width)
    await page.screenshot(path=pictures() / f"report-{width}-{theme}.png", full_page=True)
    await page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    await page.screenshot(path=pictures() / f"report-open-{width}-{theme}.png", full_page=True)
    assert await page.evaluate(OVERFLOWING) == []
    assert (await Axe().run(page)).response["violations"] == []
    assert await page.evaluate("document.documentElement.scrollWidth") == width
    for table in await page.get_by_role("table").all():
        assert await table.evaluate("each => each.scrollWidth <= each.parentElement.clientWidth")
    await page.context.close()


async def test_report_is_searched_without_a_server(browser: Browser, report: Path) -> None:
    page = await opened(browser, report)
    await expect(page).to_have_title(
        "Image registry limits of east: 8 of 302 namespaces over a limit"
    )
    shown = page.locator(".item:visible > summary b")
    assert await shown.count() == 8

    await page.get_by_label("Search").fill(OVER.upper())
    assert OVER in await shown.all_inner_texts()
    await expect(page.get_by_text("hostile", exact=True)).to_be_hidden()

    await page.get_by_label("Search").fill("crowded")
    assert await shown.count() == 0
    await expect(page.get_by_text("crowded", exact=True)).to_be_visible()
    await expect(page.get_by_role("status")).to_have_text("1 of 302")

    await page.get_by_label("Search").fill("")
    assert await shown.count() == 8
    await page.context.close()
