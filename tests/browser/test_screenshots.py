"""Takes pictures in `build/screenshots`, and checks that no text is cut."""

from typing import get_args

import pytest

from . import state
from .conftest import Sites
from .pictures import OVERFLOWING, pictures
from .site import Theme

pytestmark = pytest.mark.asyncio(loop_scope="session")

_BACKGROUNDS: dict[Theme, str] = {"light": "rgb(255, 255, 255)", "dark": "rgb(17, 19, 24)"}


@pytest.mark.parametrize("theme", get_args(Theme))
@pytest.mark.parametrize("count", [10, 300, 5000])
async def test_overview_is_drawn_in_both_themes(sites: Sites, count: int, theme: Theme) -> None:
    site = await sites.of(count)
    async with site.visitor(theme=theme) as visitor:
        page = visitor.page

        async def picture(name: str, path: str) -> None:
            await page.goto(path)
            await page.screenshot(path=pictures() / f"{count}-{name}-{theme}.png", full_page=True)

        await visitor.open("/page")
        await picture("overview", "/page")
        await picture("last", "/page?page=1000000")
        await picture("over", "/page?show=over")
        background = await page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert background == _BACKGROUNDS[theme]
        assert visitor.complaints == []


@pytest.mark.parametrize("theme", get_args(Theme))
async def test_pages_of_a_namespace_are_drawn_in_both_themes(sites: Sites, theme: Theme) -> None:
    """These pages are the same for any number of namespaces."""
    site = await sites.of(300)
    async with site.visitor(theme=theme) as visitor:
        page = visitor.page

        async def picture(name: str, path: str) -> None:
            await page.goto(path)
            await page.screenshot(path=pictures() / f"{name}-{theme}.png", full_page=True)

        await picture("sign-in", "/page")
        await visitor.sign_in()
        namespace = f"/page/namespaces/{state.name_of(0)}"
        await picture("namespace", namespace)
        await picture("hostile", "/page/namespaces/hostile")
        await picture("refusals", "/page/refusals")
        await picture("nothing", "/page/namespaces/none")
        await page.goto(namespace)
        await page.get_by_role("table").get_by_role("link").last.click()
        await page.screenshot(path=pictures() / f"stream-{theme}.png", full_page=True)
        assert visitor.complaints == []


@pytest.mark.parametrize("theme", get_args(Theme))
@pytest.mark.parametrize(("count", "width"), [(10, 360), (300, 390), (300, 1280), (300, 1920)])
async def test_every_page_fits_a_phone_and_a_wide_screen(
    sites: Sites, count: int, width: int, theme: Theme
) -> None:
    site = await sites.of(count)
    async with site.visitor(theme=theme, width=width) as visitor:
        page = visitor.page
        await visitor.open("/page")
        paths = {
            "overview": "/page",
            "namespace": "/page/namespaces/hostile",
            "streams": f"/page/namespaces/{state.name_of(0)}",
            "stream": f"/page/namespaces/{state.name_of(0)}/streams/api",
            "refusals": "/page/refusals",
        }
        for name, path in paths.items():
            await page.goto(path)
            file = pictures() / f"{count}-{name}-{width}-{theme}.png"
            await page.screenshot(path=file, full_page=True)
            assert await page.evaluate("document.documentElement.scrollWidth") == width, path
            assert await page.get_by_role("row").count() > 1, path
            assert await page.evaluate(OVERFLOWING) == [], path
