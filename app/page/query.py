"""The filter, order and page of a list, as the query of an address has them."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Generic, Literal, TypeVar, get_args
from urllib.parse import urlencode

from app.page.bars import HIGH
from app.page.rows import COLUMNS, UNLIMITED, Column, Listed
from app.page.steps import ordered, paced

Show = Literal["all", "full", "over", "high", "unlimited"]
Sort = Literal["fullest", "over", "refusals", "growth", "size", "name"]
SHOWN: tuple[Show, ...] = get_args(Show)
SORTED: tuple[Sort, ...] = get_args(Sort)

_FITS: Mapping[Show, Callable[[float], bool]] = {
    "all": lambda share: share >= UNLIMITED,
    "high": lambda share: share >= HIGH / 100,
    "over": lambda share: share > 1,
    "full": lambda share: share >= 1,
    "unlimited": lambda share: share == UNLIMITED,
}
_MAX_TEXT = 255
_MAX_PAGE = 1_000_000

Item = TypeVar("Item")
AnyRow = TypeVar("AnyRow", bound=Listed)


@dataclass(frozen=True)
class Query:
    """A query. Addresses leave defaults out, so that equal lists have equal links."""

    text: str = ""
    show: Show = "all"
    column: Column | None = None
    sort: Sort = "fullest"
    page: int = 1
    refresh: bool = False
    """Whether the browser loads the page again every minute."""

    @classmethod
    def parse(cls, parameters: Mapping[str, str]) -> "Query":
        """The query of an address. An unknown value counts as the default."""
        page = parameters.get("page", "")
        return cls(
            parameters.get("q", "").strip()[:_MAX_TEXT],
            next((show for show in SHOWN if show == parameters.get("show")), "all"),
            next((column for column in COLUMNS if column == parameters.get("limit")), None),
            next((sort for sort in SORTED if sort == parameters.get("sort")), "fullest"),
            min(max(int(page), 1), _MAX_PAGE) if page.isdecimal() and len(page) < 10 else 1,
            parameters.get("refresh") == "on",
        )

    def link(self, path: str, *, show: Show | None = None, page: int = 1) -> str:
        """The address of this list with another filter or page."""
        return replace(self, show=show or self.show, page=page).address(path)

    def ordered(self, path: str, sort: Sort, column: Column | None = None) -> str:
        """The address of the first page of this list in another order."""
        return replace(self, sort=sort, column=column, page=1).address(path)

    def refreshed(self, path: str) -> str:
        """The address of this page with the refresh turned on or off."""
        return replace(self, refresh=not self.refresh).address(path)

    def address(self, path: str) -> str:
        """The address of this list."""
        parts = {
            "q": self.text,
            "show": "" if self.show == "all" else self.show,
            "limit": self.column or "",
            "sort": "" if self.sort == "fullest" else self.sort,
            "page": "" if self.page == 1 else str(self.page),
            "refresh": "on" if self.refresh else "",
        }
        given = {name: value for name, value in parts.items() if value}
        return f"{path}?{urlencode(given)}" if given else path

    @property
    def filters(self) -> bool:
        """Whether rows are left out."""
        return bool(self.text) or self.show != "all"


async def select(
    rows: Iterable[AnyRow], query: Query, refusals: Mapping[str, int] = MappingProxyType({})
) -> list[AnyRow]:
    """The rows that fit the query, in its order.

    `rows` are ordered by name, and rows that are equal keep that order. `refusals`: the number of
    refused pushes by the name of a row.
    """
    text, column = query.text.lower(), query.column
    found = list(rows)
    if text:
        found = [row async for row in paced(found) if text in row.name.lower()]
    if query.show != "all":
        fits = _FITS[query.show]
        found = [row async for row in paced(found) if fits(row.share(column))]
    keys: dict[Sort, Callable[[AnyRow], float]] = {
        "fullest": lambda row: row.share(column),
        "over": lambda row: row.over,
        "growth": lambda row: row.growth,
        "size": lambda row: row.size,
        "refusals": lambda row: refusals.get(row.name, 0),
    }
    if query.sort == "name":
        return found
    return await ordered(found, keys[query.sort], reverse=True)


async def counts(rows: Iterable[Listed], column: Column | None) -> dict[Show, int]:
    """The number of rows for each filter."""
    counted = Counter[float]()
    async for row in paced(list(rows)):
        counted[row.share(column)] += 1
    return {
        show: sum(number for share, number in counted.items() if fits(share))
        for show, fits in _FITS.items()
    }


@dataclass(frozen=True)
class Part(Generic[Item]):
    """One page of a list."""

    items: Sequence[Item]
    page: int
    pages: int
    total: int
    first: int
    """The number of the first item, which starts at 1; 0 for an empty list."""

    @property
    def last(self) -> int:
        return self.first + len(self.items) - 1 if self.items else 0


def part(items: Sequence[Item], page: int, size: int) -> Part[Item]:
    """A page of a list. For a page after the last one: the last one."""
    pages = max(1, -(-len(items) // size))
    page = min(page, pages)
    start = (page - 1) * size
    chosen = items[start : start + size]
    return Part(chosen, page, pages, len(items), start + 1 if chosen else 0)
