"""The rows of `usage`, made from counts that a folder cannot have, such as pushes in flight."""

import dataclasses

import pytest

from app.cli.usage_report import Shown, show
from app.model.quantity import Quantity
from app.policy.fullness import Level
from app.reporting.auditing import NamespaceFullness
from app.reporting.images import LargeImage
from app.reporting.stored_bytes import NamespaceBytes, StoredBytes

NAMES = Shown(streams=False, top=0, sort_by="name", output="name", headers=True)
TABLE = dataclasses.replace(NAMES, output="table", headers=False)


def row(
    namespace: str,
    *totals: Level,
    reservations: int | None = 0,
    in_escrow: int = 0,
    size: int = 0,
) -> NamespaceFullness:
    """Counts that are not among the totals are 0."""
    given = {one.resource for one in totals}
    zeros = (level(name, 0) for name in ("imagestreams", "images", "image-tags"))
    every = (*totals, *(zero for zero in zeros if zero.resource not in given))
    stored = NamespaceBytes(StoredBytes(size, 0), {})
    return NamespaceFullness(namespace, every, (), reservations, (), stored, 0, in_escrow)


def level(resource: str, used: int, hard: str | None = None, source: str = "") -> Level:
    limit = None if hard is None else Quantity(hard)
    return Level("Namespace", "ns", f"alauda.io/{resource}", used, limit, source)


LARGEST = [
    row("bytes", size=9),
    row("full", level("images", 0, "0")),
    row("images", level("images", 9)),
    row("in-escrow", in_escrow=9),
    row("in-flight", reservations=3),
    row("streams", level("imagestreams", 9)),
    row("tags", level("image-tags", 9)),
    row("unread", reservations=None),
]


@pytest.mark.parametrize("sort", ["bytes", "full", "images", "in-flight", "streams", "tags"])
def test_the_largest_number_comes_first_and_names_order_the_rest(
    sort: str, capsys: pytest.CaptureFixture[str]
) -> None:
    show(LARGEST[::-1], dataclasses.replace(NAMES, sort_by=sort))

    others = [one.namespace for one in LARGEST if one.namespace != sort]
    assert capsys.readouterr().out.split() == [f"namespace/{name}" for name in (sort, *others)]


def test_an_image_names_three_of_its_tags(capsys: pytest.CaptureFixture[str]) -> None:
    image = LargeImage(f"sha256:{'a' * 64}", 2048, ("app:v1", "app:v2", "app:v3", "app:v4"))
    rows = [dataclasses.replace(row("ns"), largest=(image,))]
    for output, digest, tags in (
        ("table", "sha256:aaaaaaaaaaaa", "app:v1, app:v2, app:v3 and 1 more"),
        ("wide", image.digest, "app:v1, app:v2, app:v3, app:v4"),
    ):
        show(rows, dataclasses.replace(TABLE, output=output))

        assert capsys.readouterr().out.splitlines()[-1] == f"ns   2 KiB   {digest}   {tags}"


def test_of_several_quotas_the_one_with_the_least_room_is_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    quotas = (level("image-tags", 5, hard, f"ResourceQuota q{hard}") for hard in ("9", "7", "8"))
    show([row("ns", *quotas)], TABLE)

    assert capsys.readouterr().out.split()[:4] == ["ns", "0", "0", "5/7"]


@pytest.mark.parametrize(
    ("rows", "summary"),
    [
        ([row("a", level("images", 2, "1")), row("b", reservations=1)],
         "2 namespaces: 1 over a limit, 1 push in flight.\n"),
        ([row("a", reservations=None)], "1 namespace: 0 over a limit.\n"),
    ],
)  # fmt: skip
def test_summary_counts_exceeded_limits_and_known_pushes_in_flight(
    rows: list[NamespaceFullness], summary: str, capsys: pytest.CaptureFixture[str]
) -> None:
    show(rows, TABLE)

    assert capsys.readouterr().err == summary
