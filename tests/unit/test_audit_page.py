"""The audit as an HTML page: its summary, and its bounded size."""

import re
from datetime import UTC, datetime

import pytest

from app.cli import audit_page
from app.model.limits import NO_LIMITS, NamespaceLimits
from app.quota.usage import NamespaceUsage, StreamUsage
from app.reporting.audit import NamespaceAudit, audit
from tests.unit.stores import DOMAIN, limit

NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
STRICT, LOOSE = NamespaceLimits(stream_tags=limit("10")), NamespaceLimits(stream_tags=limit("99"))


def item(
    name: str, tags: int, limits: NamespaceLimits = STRICT, streams: int = 1
) -> NamespaceAudit:
    usage = NamespaceUsage()
    for number in range(streams):
        usage.put(f"app-{number}", StreamUsage({f"v{i}": () for i in range(tags)}))
    return audit(name, usage, limits, sizes={}, pushed={}, domain=DOMAIN, top=5)


def render(*items: NamespaceAudit, proposed: bool = False, cluster: str = "") -> str:
    return audit_page.render(items, now=NOW, proposed=proposed, cluster=cluster)


def test_html_report_names_its_cluster() -> None:
    page = render(item("a", 30), cluster="<east>")
    assert "<title>Image registry limits of &lt;east&gt;: 1 of 1 namespaces over" in page
    assert '<span class="faint">&lt;east&gt;</span></h1>' in page
    assert "<title>Image registry limits: 1 of 1" in render(item("a", 30))


def test_html_report_shows_totals_before_namespaces() -> None:
    page = render(
        item("low", 10 + 1, NamespaceLimits(stream_tags=limit("11"))),
        item("worst", 30), item("bad", 20), item("so-so", 12), item("fine", 5, LOOSE),
        item("free", 5, NO_LIMITS),
    )  # fmt: skip
    tiles = re.findall(r"<b[^>]*>(\d+)</b>([^<]+)</div>", page)
    assert tiles == [
        ("6", "namespaces"), ("2", "over, high"), ("1", "over, medium"), ("0", "over, low"),
        ("2", "within their limits"), ("1", "without limits"),
    ]  # fmt: skip
    order = [page.index(f"<b>{name}</b>") for name in ("worst", "bad", "so-so")]
    assert page.index("without limits") < order[0]
    assert order == sorted(order)


@pytest.mark.parametrize(("count", "opened"), [(3, 3), (300, 0)])
def test_details_are_open_for_few_namespaces_and_closed_for_many(count: int, opened: int) -> None:
    page = render(*(item(f"team-{number}", 30) for number in range(count)))
    assert len(re.findall(r'<details class="item high" open>', page)) == opened


def test_each_kind_of_namespace_can_be_hidden_without_scripts() -> None:
    page = render(item("a", 30), item("b", 5, LOOSE))
    for name in ("high", "medium", "low", "within", "unlimited"):
        assert f"body:has(#show-{name}:not(:checked)) .item.{name}" in page
        assert f'id="show-{name}"' in page


def test_only_the_worst_excesses_are_listed() -> None:
    page = render(item("team-a", 30, streams=25))
    assert page.count('<span class="tone">') == 10
    assert "And 15 more: registry-admission audit -n team-a" in page


def test_thousands_of_namespaces_have_one_line_and_the_worst_have_details() -> None:
    page = render(*(item(f"team-{number:04}", 30, streams=5) for number in range(5000)))
    assert page.count('<details class="item high"') == 500
    assert page.count('<div class="item line high"') == 4500
    assert "These have no details here" in page
    assert len(page) < 5_000_000


@pytest.mark.parametrize(
    ("proposed", "title"), [(False, "Limits in force"), (True, "Proposed limits, tried")]
)
def test_html_report_names_the_limits_it_used(proposed: bool, title: str) -> None:
    assert title in render(item("a", 1), proposed=proposed)
    assert "2026-01-02 03:04 UTC" in render(item("a", 1), proposed=proposed)
