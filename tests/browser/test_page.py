"""The page in a real browser: sign-in, search, and security."""

import asyncio
import re
from typing import get_args

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import expect

from app.page.session import COOKIE, LIFE

from . import state
from .conftest import Sites
from .site import ADMIN, TENANT, Site, Theme

pytestmark = pytest.mark.asyncio(loop_scope="session")

OVER, HIGH = state.name_of(0), state.name_of(1)
LARGE = state.name_of(6)
"""The namespace that stores most."""
DEEP = f"/page/namespaces/{OVER}?sort=name"


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
async def test_a_deep_link_asks_to_sign_in_and_then_leads_on(small: Site, scripts: bool) -> None:
    async with small.visitor(scripts=scripts) as visitor:
        page = visitor.page
        asked = await page.goto(DEEP)
        assert asked is not None
        assert asked.status == 401
        await visitor.sign_in("wrong-token-0123456789")
        await expect(page.get_by_role("alert")).to_contain_text("This token is unknown")
        await visitor.sign_in()

        await expect(page.get_by_role("heading", level=1)).to_have_text(OVER)
        assert page.url.endswith(DEEP)
        [cookie] = await page.context.cookies()
        assert cookie["name"] == COOKIE
        assert (cookie["httpOnly"], cookie["secure"], cookie["sameSite"]) == (True, True, "Strict")
        assert cookie["path"] == "/"
        assert ADMIN not in cookie["value"]

        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_label("Bearer token")).to_be_visible()
        assert await page.context.cookies() == []
        assert visitor.complaints == []


async def test_a_session_ends_within_the_hour(small: Site) -> None:
    async with small.visitor() as visitor:
        await visitor.open("/page")
        now = await visitor.page.evaluate("Date.now() / 1000")
        [cookie] = await visitor.page.context.cookies()
        assert 0 < cookie["expires"] - now <= LIFE + 1


async def test_users_see_only_their_namespaces(small: Site) -> None:
    async with small.visitor() as visitor:
        page = visitor.page
        await visitor.open("/page", TENANT)
        await expect(page.get_by_role("table").get_by_role("rowheader")).to_have_text([OVER])
        await page.goto("/page/refusals")
        assert HIGH not in await page.content()

        hidden = await page.goto(f"/page/namespaces/{HIGH}")
        forbidden = await page.locator("main").inner_text()
        missing = await page.goto("/page/namespaces/there-is-none")
        assert hidden is not None
        assert missing is not None
        assert (hidden.status, missing.status) == (404, 404)
        assert await page.locator("main").inner_text() == forbidden


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
async def test_a_list_is_filtered_sorted_and_linked(small: Site, scripts: bool) -> None:
    async with small.visitor(scripts=scripts) as visitor:
        page = visitor.page
        await visitor.open("/page")
        rows = page.get_by_role("table").get_by_role("rowheader")
        await expect(rows.first).to_have_text(OVER)

        await page.get_by_role("link", name="Over a limit").click()
        await expect(rows).to_have_text([OVER])
        await expect(page.get_by_role("row").last).to_contain_text("3 over")

        await page.get_by_role("link", name="Clear").click()
        await page.get_by_label("Namespace", exact=True).fill("LEDGER")
        await page.get_by_label("Limit").select_option("Tags")
        await page.get_by_label("Order").select_option("By name")
        await page.get_by_role("button", name="Filter").click()
        await expect(rows).to_have_text([state.name_of(5)])
        query = page.url.partition("?")[2]
        assert all(part in query for part in ("q=LEDGER", "limit=tags", "sort=name"))

        await page.get_by_role("link", name=state.name_of(5)).click()
        await expect(page.get_by_role("heading", level=1)).to_have_text(state.name_of(5))
        await rows.first.get_by_role("link").click()
        await expect(page.get_by_role("heading", level=2, name="Tags")).to_be_visible()
        await expect(page.get_by_role("table")).to_contain_text("of 1 GiB")
        assert visitor.complaints == []


async def test_25_namespaces_fit_on_a_screen(sites: Sites) -> None:
    site = await sites.of(300)
    async with site.visitor() as visitor:
        await visitor.open("/page")
        row = await visitor.page.get_by_role("row").nth(25).bounding_box()
        assert row is not None
        assert row["y"] + row["height"] <= 900


async def test_lists_are_ordered_by_their_headings(small: Site) -> None:
    async with small.visitor() as visitor:
        page = visitor.page
        await visitor.open("/page")
        largest = page.get_by_role("row").filter(has_text=LARGE)
        while "GiB" not in await largest.inner_text():  # Images of each namespace are read in turn.
            await asyncio.sleep(0.5)
            await page.reload()
        rows = page.get_by_role("table").get_by_role("rowheader")
        for heading, first in (("Refused", HIGH), ("Stored", LARGE), ("Namespace", OVER)):
            link = page.get_by_role("columnheader", name=heading).get_by_role("link")
            await link.click()
            await expect(rows.first, heading).to_have_text(first)


async def test_long_lists_have_pages(small: Site) -> None:
    async with small.visitor() as visitor:
        page = visitor.page
        await visitor.open("/page/namespaces/crowded")
        await expect(page.get_by_text("1–50 of 120")).to_be_visible()
        await page.get_by_role("link", name="Next").click()
        await expect(page.get_by_text("51–100 of 120")).to_be_visible()
        await page.get_by_role("link", name="Last").click()
        await expect(page.get_by_text("101–120 of 120")).to_be_visible()
        await expect(page.get_by_role("link", name="Next")).to_have_count(0)


async def test_refusals_are_counted_and_linked(small: Site) -> None:
    async with small.visitor() as visitor:
        page = visitor.page
        await visitor.open("/page")
        await page.get_by_role("link", name=re.compile(r"^\d different refusals")).click()
        row = page.get_by_role("row").filter(has_text=HIGH)
        await expect(row).to_contain_text("ImageTooLarge")
        await expect(row.get_by_role("cell").nth(1)).to_have_text("7")
        await row.get_by_role("link", name="api").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("api")
        row = page.get_by_role("row").filter(has_text="2Gi > 1Gi")
        await expect(row).to_contain_text("of tag api:v2")
        await expect(row).to_contain_text(f"kubectl -n {HIGH} patch limitrange")
        digest = row.get_by_text("sha256:").first
        assert await row.locator("details code").is_hidden()
        await digest.click()
        await expect(row.locator("details code")).to_be_visible()


async def test_names_of_tenants_are_text(small: Site) -> None:
    async with small.visitor() as visitor:
        page = visitor.page
        await small.refuse(OVER, state.HOSTILE_STREAM)
        await visitor.open("/page/namespaces/hostile")
        await page.get_by_role("link", name=state.HOSTILE_STREAM).click()
        await expect(page.get_by_role("heading", level=1)).to_have_text(state.HOSTILE_STREAM)
        await expect(page.get_by_role("rowheader")).to_have_text([state.HOSTILE_TAG, "v1"])
        await page.goto("/page/refusals?q=%3Cscript")
        await expect(page.get_by_role("searchbox")).to_have_value("<script")
        await expect(page.get_by_role("row").last).to_contain_text(state.HOSTILE_STREAM)
        assert await page.locator("script").count() == 0
        assert visitor.complaints == []


@pytest.mark.parametrize("theme", get_args(Theme))
@pytest.mark.parametrize("width", [1280, 360])
async def test_axe_finds_no_violation(small: Site, theme: Theme, width: int) -> None:
    """The rules of WCAG that a program can check, such as a contrast of at least 4.5:1."""
    async with small.visitor(theme=theme, width=width) as visitor:
        page, axe = visitor.page, Axe()
        await page.goto("/page")
        paths = [
            "/page?show=high",
            f"/page/namespaces/{OVER}",
            f"/page/namespaces/{HIGH}/streams/api",
            "/page/refusals",
            "/page/namespaces/none",
        ]
        found = {"sign-in": (await axe.run(page)).response["violations"]}
        await visitor.sign_in()
        for path in paths:
            await page.goto(path)
            found[path] = (await axe.run(page)).response["violations"]
        assert {path: violations for path, violations in found.items() if violations} == {}


async def test_a_keyboard_reaches_the_content_first(small: Site) -> None:
    async with small.visitor() as visitor:
        page = visitor.page
        await visitor.open("/page")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Namespaces")
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page).to_have_url(re.compile("#main$"))


async def test_printed_page_shows_the_content(small: Site) -> None:
    async with small.visitor(theme="dark") as visitor:
        page = visitor.page
        await visitor.open("/page")
        await page.emulate_media(media="print")
        await expect(page.get_by_role("button", name="Filter")).to_be_hidden()
        await expect(page.get_by_role("table")).to_be_visible()
        colour = await page.evaluate("getComputedStyle(document.body).color")
        assert colour == "rgb(0, 0, 0)"
        assert (await page.pdf()).startswith(b"%PDF-")
