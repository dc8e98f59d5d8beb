"""The built site stands alone; `make docs-tests` builds it before these tests."""

from html.parser import HTMLParser
from pathlib import Path

SITE = Path(__file__).parents[2] / "site"
_FETCHED = {"script": "src", "img": "src", "iframe": "src", "source": "src"}


class Page(HTMLParser):
    """The addresses that a browser fetches for a page by itself."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        address = values.get(_FETCHED.get(tag, ""))
        if tag == "link" and values.get("rel") in ("stylesheet", "icon", "preconnect", "preload"):
            address = values.get("href")
        if address:
            self.fetched.append(address)


def test_every_page_is_built() -> None:
    for page in ("", "tutorial/", "reference/settings/", "how-to/certificates/", "architecture/"):
        assert (SITE / page / "index.html").is_file()
    assert not list(SITE.rglob("*.py"))


def test_nothing_is_fetched_from_elsewhere() -> None:
    pages = {path: Page(path).fetched for path in SITE.rglob("*.html")}

    assert all(pages.values())
    assert [
        (path, address)
        for path, fetched in pages.items()
        for address in fetched
        if "//" in address
    ] == []
    for style in SITE.rglob("*.css"):
        assert "url(http" not in style.read_text()
        assert "@import" not in style.read_text()
