"""The content of a row of the page, and the rows that a query shows."""

import pytest

from app.model.limits import NO_LIMITS, NamespaceLimits
from app.model.quantity import Quantity
from app.page.bars import Bar, bar
from app.page.query import Part, Query, Show, counts, part, select
from app.page.rows import UNLIMITED, Column, Fullest, Row, natural, of_namespace, of_stream, share
from app.policy.fullness import Level
from app.quota.usage import NamespaceUsage, StreamUsage
from app.reporting.stored_bytes import StoredBytes
from tests.unit.stores import DOMAIN, limit, quota

DIGEST = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64


def level(used: int, hard: str | None) -> Level:
    quantity = None if hard is None else Quantity(hard)
    return Level("Namespace", "team-a", "alauda.io/images", used, hard=quantity)


@pytest.mark.parametrize(
    ("used", "hard", "expected", "drawn"),
    [
        pytest.param(5, None, UNLIMITED, None, id="no limit"),
        pytest.param(0, "10", 0.0, Bar("calm", 0), id="empty"),
        pytest.param(79, "100", 0.79, Bar("calm", 79), id="with room"),
        pytest.param(80, "100", 0.8, Bar("high", 80), id="worth a look"),
        pytest.param(10, "10", 1.0, Bar("over", 100), id="full is not over"),
        pytest.param(12, "10", 1.2, Bar("over", 100, 83), id="over, the limit is marked"),
        pytest.param(0, "0", 1.0, Bar("over", 100), id="a limit of zero is full"),
        pytest.param(1, "0", float("inf"), Bar("over", 100, 0), id="anything is over zero"),
        pytest.param(1, "1500m", 1.0, Bar("over", 100), id="whole objects only"),
    ],
)
def test_level_has_a_percentage_and_a_bar(
    used: int, hard: str | None, expected: float, drawn: Bar | None
) -> None:
    assert share(level(used, hard)) == pytest.approx(expected)
    assert bar(level(used, hard)) == drawn


def usage(**tags_of: int) -> NamespaceUsage:
    """Streams with a number of tags on one image. The tag v0 had another image before."""
    made = NamespaceUsage()
    for name, count in tags_of.items():
        tags = {f"v{number}": (DIGEST,) for number in range(count)}
        made.put(name, StreamUsage({**tags, **({"v0": (DIGEST, OTHER)} if count else {})}))
    return made


def row(used: NamespaceUsage, limits: NamespaceLimits) -> Row:
    fullest = Fullest()
    for name, stream in used.streams.items():
        fullest.see(name, stream)
    return of_namespace("team-a", used, limits, fullest.levels(limits, DOMAIN), DOMAIN)


def test_a_row_has_the_fullest_of_several_quotas_and_the_fullest_streams() -> None:
    limits = NamespaceLimits(
        stream_tags=limit("10"),
        quotas=(quota(imagestreams=10, image_tags=100), quota(image_tags=20)),
    )
    found = row(usage(app=3, web=5, api=4), limits)

    assert {column: (item.used, item.hard and item.hard.value) for column, item in
            found.levels.items()} == {
        "streams": (3, 10),
        "images": (2, None),
        "tags": (12, 20),
        "stream-tags": (5, 10),
    }  # fmt: skip
    assert found.levels["stream-tags"].name == "web"
    assert found.levels["stream-tags"].source == "LimitRange limits"
    assert found.peak == 0.6


@pytest.mark.parametrize(
    ("column", "stream"),
    [(None, "web"), ("stream-tags", "web"), ("stream-images", "app"), ("tags", "web")],
)
def test_fullest_stream_is_chosen_by_the_selected_limit(column: Column | None, stream: str) -> None:
    limits = NamespaceLimits(stream_tags=limit("10"), stream_images=limit("100"))
    found = row(usage(app=3, web=5), limits).fullest_stream(column)

    assert found is not None
    assert found.name == stream


def test_unlimited_namespace_has_no_percentage() -> None:
    found = row(usage(app=3), NO_LIMITS)

    assert found.peak == UNLIMITED
    assert found.fullest_stream(None) is None


def test_stream_counts_images_of_its_history() -> None:
    found = of_stream(
        "app", usage(app=3).streams["app"], NamespaceLimits(stream_images=limit("2")), DOMAIN
    )

    assert (found.levels["images"].used, found.levels["tags"].used) == (2, 3)
    assert found.share("images") == 1.0
    assert found.share("tags") == UNLIMITED


ROWS = [
    Row.of("alpha", {"images": level(9, "10"), "tags": level(1, "10")}, StoredBytes(7, 0), 1),
    Row.of("beta", {"images": level(12, "10"), "tags": level(5, "10")}, StoredBytes(5, 9), 0),
    Row.of("delta", {"images": level(9, "10"), "tags": level(11, "10")}, StoredBytes(8, 1), -2),
    Row.of("gamma", {"images": level(3, None)}),
]


@pytest.mark.parametrize(
    ("text", "show", "column", "sort", "names"),
    [
        pytest.param("", "all", None, "fullest", "beta delta alpha gamma", id="the fullest first"),
        pytest.param("", "all", None, "name", "alpha beta delta gamma", id="by name"),
        pytest.param("", "all", "images", "fullest", "beta alpha delta gamma", id="equals by name"),
        pytest.param("", "all", "tags", "fullest", "delta beta alpha gamma", id="by one limit"),
        pytest.param("", "all", None, "over", "beta delta alpha gamma", id="most over first"),
        pytest.param("", "all", None, "growth", "alpha beta gamma delta", id="most growth first"),
        pytest.param("", "all", None, "size", "delta alpha beta gamma", id="largest first"),
        pytest.param("", "all", None, "refusals", "gamma alpha beta delta", id="most refused"),
        pytest.param("", "over", None, "fullest", "beta delta", id="over any limit"),
        pytest.param("", "over", "tags", "fullest", "delta", id="over one limit"),
        pytest.param("", "high", None, "fullest", "beta delta alpha", id="high includes over"),
        pytest.param("", "unlimited", None, "fullest", "gamma", id="without limits"),
        pytest.param("TA", "all", None, "fullest", "beta delta", id="any case, anywhere"),
        pytest.param("none", "all", None, "fullest", "", id="nothing fits"),
    ],
)
async def test_query_filters_and_sorts_rows(
    text: str, show: Show, column: Column | None, sort: str, names: str
) -> None:
    query = Query(text, show, column, Query.parse({"sort": sort}).sort)

    found = await select(ROWS, query, {"gamma": 2, "alpha": 1})

    assert [row.name for row in found] == names.split()


@pytest.mark.parametrize(
    ("show", "used"),
    [
        pytest.param("over", [11], id="over"),
        pytest.param("full", [10, 11], id="full or over"),
        pytest.param("high", [8, 10, 11], id="high, full or over"),
    ],
)
async def test_full_is_not_over(show: Show, used: list[int]) -> None:
    rows = [Row.of(f"{count}", {"images": level(count, "10")}) for count in (7, 8, 10, 11)]

    found = await select(rows, Query(show=show, sort="name"), {})

    assert [int(row.name) for row in found] == used


def test_names_with_numbers_are_ordered_by_the_numbers() -> None:
    names = ["stream-10", "stream-2", "a2b", "a", "a0", "a00", "stream", "a10", "a02", "a" * 9]
    assert sorted(names, key=natural) == [
        "a",
        "a0",
        "a00",
        "a02",
        "a2b",
        "a10",
        "aaaaaaaaa",
        "stream",
        "stream-2",
        "stream-10",
    ]


@pytest.mark.parametrize(("used", "full"), [(9, 0), (10, 1), (11, 1)])
async def test_a_full_namespace_is_one_whose_next_push_is_refused(used: int, full: int) -> None:
    found = Row.of("a", {"images": level(used, "10")})
    assert (await counts([found], None))["full"] == full


def test_links_keep_filter_order_and_page() -> None:
    query = Query("a", "over", refresh=True)
    assert query.ordered("/page", "name") == "/page?q=a&show=over&sort=name&refresh=on"
    assert query.refreshed("/page") == "/page?q=a&show=over"
    assert Query.parse({"refresh": "on"}).refresh


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        pytest.param(
            None, {"all": 4, "full": 2, "over": 2, "high": 3, "unlimited": 1}, id="any limit"
        ),
        pytest.param(
            "tags", {"all": 4, "full": 1, "over": 1, "high": 1, "unlimited": 1}, id="one limit"
        ),
        pytest.param(
            "streams", {"all": 4, "full": 0, "over": 0, "high": 0, "unlimited": 4}, id="no limit"
        ),
    ],
)
async def test_summary_counts_rows_by_state(
    column: Column | None, expected: dict[Show, int]
) -> None:
    assert await counts(ROWS, column) == expected


@pytest.mark.parametrize(
    ("parameters", "address"),
    [
        pytest.param({}, "/page", id="defaults are left out"),
        pytest.param(
            {"q": " a&b ", "show": "over", "limit": "stream-tags", "sort": "name", "page": "3"},
            "/page?q=a%26b&show=over&limit=stream-tags&sort=name&page=3",
            id="everything",
        ),
        pytest.param({"show": "x", "limit": "x", "sort": "x", "page": "x"}, "/page", id="nonsense"),
        pytest.param({"page": "-1"}, "/page", id="a page before the first"),
        pytest.param({"page": "9" * 5000}, "/page", id="a number without end"),
        pytest.param({"page": "²"}, "/page", id="a digit that is no number"),
        pytest.param({"q": "x" * 999}, "/page?q=" + "x" * 255, id="a long text"),
    ],
)
def test_url_round_trips_through_the_query(parameters: dict[str, str], address: str) -> None:
    assert Query.parse(parameters).address("/page") == address


def test_links_keep_the_filter_and_start_at_the_first_page() -> None:
    query = Query.parse({"q": "a", "show": "over", "page": "4"})

    assert query.link("/page") == "/page?q=a&show=over"
    assert query.link("/page", page=5) == "/page?q=a&show=over&page=5"
    assert query.link("/page", show="all") == "/page?q=a"


@pytest.mark.parametrize(
    ("count", "page", "expected"),
    [
        pytest.param(0, 1, Part([], 1, 1, 0, 0), id="nothing"),
        pytest.param(3, 1, Part([0, 1, 2], 1, 1, 3, 1), id="one page"),
        pytest.param(5, 2, Part([3, 4], 2, 2, 5, 4), id="the second page"),
        pytest.param(6, 9, Part([3, 4, 5], 2, 2, 6, 4), id="behind the end is the last"),
    ],
)
def test_lists_are_cut_into_pages(count: int, page: int, expected: Part[int]) -> None:
    found = part(list(range(count)), page, 3)

    assert found == expected
    assert found.last == (found.first + len(found.items) - 1 if count else 0)
