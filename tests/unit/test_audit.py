"""Which objects exceed their limits, by how much, and which ones come first."""

from datetime import UTC, datetime
from typing import Any

import pytest

from app.model.limits import NamespaceLimits
from app.model.quantity import Quantity
from app.policy import fullness
from app.policy.fullness import Level
from app.quota.members import StreamTag
from app.quota.usage import NamespaceUsage, StreamUsage
from app.reporting.audit import NamespaceAudit, OldTag, audit, severity, worst_first
from app.reporting.images import LargeImage
from tests.unit.stores import DOMAIN, limit, quota

DIGESTS = {name: "sha256:" + name * 64 for name in "abcdef"}
JANUARY, MARCH = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)


def usage(**streams: dict[str, str]) -> NamespaceUsage:
    """Streams with their tags. Each letter of a tag is an image, newest first."""
    built = NamespaceUsage()
    for name, tags in streams.items():
        digests = {tag: tuple(DIGESTS[char] for char in text) for tag, text in tags.items()}
        built.put(name, StreamUsage(digests))
    return built


def run_audit(
    used: NamespaceUsage,
    limits: NamespaceLimits,
    *,
    sizes: dict[str, int] | None = None,
    pushed: dict[StreamTag, datetime] | None = None,
    top: int = 5,
) -> NamespaceAudit:
    known = {DIGESTS[name]: size for name, size in (sizes or {}).items()}
    return audit("team-a", used, limits, sizes=known, pushed=pushed or {}, domain=DOMAIN, top=top)


TWO = usage(app={"v1": "a", "v2": "ba"}, web={"v1": "c"})


@pytest.mark.parametrize(
    ("limits", "over"),
    [
        pytest.param(NamespaceLimits(), [], id="no limits"),
        pytest.param(
            NamespaceLimits(
                stream_images=limit("2"),
                stream_tags=limit("2"),
                quotas=(quota(imagestreams=2, images=3, image_tags=3),),
            ),
            [],
            id="full is not over",
        ),
        pytest.param(
            NamespaceLimits(quotas=(quota(imagestreams=1, images=1, image_tags=2),)),
            [("Namespace team-a", "images", 2), ("Namespace team-a", "imagestreams", 1),
             ("Namespace team-a", "image-tags", 1)],
            id="quotas, the worst first",
        ),
        pytest.param(
            NamespaceLimits(stream_images=limit("1"), stream_tags=limit("0")),
            [("ImageStream app", "image-tags", 2), ("ImageStream web", "image-tags", 1),
             ("ImageStream app", "images", 1)],
            id="streams, zero is passed without end",
        ),
        pytest.param(
            NamespaceLimits(image_size=limit("1Ki")),
            [(f"Image {DIGESTS['b']}", "storage", 1)],
            id="an image that is one byte too large",
        ),
    ],
)  # fmt: skip
def test_audit_reports_exceeded_limits(
    limits: NamespaceLimits, over: list[tuple[str, str, int]]
) -> None:
    found = run_audit(TWO, limits, sizes={"a": 1024, "b": 1025, "c": 1}).over
    assert [
        (f"{level.kind} {level.name}", level.resource.removeprefix("alauda.io/"), level.over)
        for level in found
    ] == over


def test_audit_lists_largest_images_with_their_tags() -> None:
    found = run_audit(TWO, NamespaceLimits(), sizes={"a": 5, "b": 7, "c": 7}, top=2)
    assert found.largest == (
        LargeImage(DIGESTS["b"], 7, ("app:v2",)),
        LargeImage(DIGESTS["c"], 7, ("web:v1",)),
    )
    equal = run_audit(TWO, NamespaceLimits(), sizes={"a": 7, "b": 7, "c": 7})
    assert [image.digest for image in equal.largest] == sorted(DIGESTS[name] for name in "abc")
    everything = run_audit(TWO, NamespaceLimits(), sizes={"a": 5, "b": 7, "c": 7})
    assert everything.largest[2] == LargeImage(DIGESTS["a"], 5, ("app:v1", "app:v2"))


@pytest.mark.parametrize(("limits", "unknown"), [(None, 0), (limit("1Gi"), 2)])
def test_unknown_sizes_count_only_under_a_size_limit(limits: Any, unknown: int) -> None:
    found = run_audit(TWO, NamespaceLimits(image_size=limits), sizes={"a": 1})
    assert found.unknown_sizes == unknown
    assert found.over == ()


PUSHED = {("app", "v1"): MARCH, ("web", "v1"): JANUARY}


@pytest.mark.parametrize(
    ("limits", "oldest"),
    [
        pytest.param(NamespaceLimits(), (), id="nothing is over"),
        pytest.param(NamespaceLimits(image_size=limit("1")), (), id="an image is too large"),
        pytest.param(
            NamespaceLimits(stream_tags=limit("1")),
            (OldTag("app:v1", MARCH), OldTag("app:v2", None)),
            id="one stream: its tags, unknown times last",
        ),
        pytest.param(
            NamespaceLimits(quotas=(quota(image_tags=1),)),
            (OldTag("web:v1", JANUARY), OldTag("app:v1", MARCH), OldTag("app:v2", None)),
            id="the namespace: all tags",
        ),
        pytest.param(NamespaceLimits(quotas=(quota(imagestreams=1),)), (), id="too many streams"),
    ],
)
def test_audit_lists_oldest_tags_of_full_streams(
    limits: NamespaceLimits, oldest: tuple[OldTag, ...]
) -> None:
    assert run_audit(TWO, limits, sizes={"a": 2}, pushed=PUSHED).oldest == oldest
    assert run_audit(TWO, limits, sizes={"a": 2}, pushed=PUSHED, top=1).oldest == oldest[:1]


def test_namespace_without_limits_is_reported_as_unlimited() -> None:
    assert run_audit(TWO, NamespaceLimits()).unlimited
    assert not run_audit(TWO, NamespaceLimits(image_size=limit("1"))).unlimited
    assert not run_audit(TWO, NamespaceLimits(stream_tags=limit("9"))).unlimited


@pytest.mark.parametrize(
    ("used", "hard", "left", "over", "percent"),
    [
        (0, "10", 10, 0, 0),
        (3, "4", 1, 0, 75),
        (4, "4", 0, 0, 100),
        (6, "4", -2, 2, 150),
        (1, "2500m", 1, 0, 50),
        (0, "0", 0, 0, 100),
        (1, "0", -1, 1, 100),
        (5, None, None, 0, None),
    ],
)
def test_percentage_of_a_limit(
    used: int, hard: str | None, left: int | None, over: int, percent: int | None
) -> None:
    level = Level("Namespace", "team-a", "x", used, Quantity(hard) if hard else None)
    assert (level.left, level.over, level.percent) == (left, over, percent)


def test_each_quota_is_one_row_and_unlimited_counts_are_shown() -> None:
    limits = NamespaceLimits(quotas=(quota(images=5), quota(images=3, image_tags=9)))
    found = fullness.of_namespace("team-a", TWO, limits, DOMAIN)
    assert [(level.resource, level.used, level.left) for level in found] == [
        ("alauda.io/images", 3, 2),
        ("alauda.io/images", 3, 0),
        ("alauda.io/image-tags", 3, 6),
        ("alauda.io/imagestreams", 2, None),
    ]


@pytest.mark.parametrize(
    ("used", "hard", "expected"),
    [(2, "1", "high"), (5, "0", "high"), (11, "10", "medium"), (199, "100", "medium"),
     (109, "100", "low")],
)  # fmt: skip
def test_severity_grows_with_the_excess(used: int, hard: str, expected: str) -> None:
    assert severity(Level("Namespace", "team-a", "x", used, Quantity(hard))) == expected


def test_namespaces_are_sorted_worst_first() -> None:
    def named(name: str, hard: str | None) -> NamespaceAudit:
        limits = NamespaceLimits(stream_tags=limit(hard) if hard else None)
        return audit(name, TWO, limits, sizes={}, pushed={}, domain=DOMAIN, top=0)

    audits = [named("fine", None), named("b", "1"), named("a", "1"), named("worst", "0")]
    assert [item.namespace for item in worst_first(audits)] == ["worst", "a", "b", "fine"]


def test_more_exceeded_limits_sort_first_at_equal_excess() -> None:
    def named(name: str, *limits: int) -> NamespaceAudit:
        return audit(
            name,
            TWO,
            NamespaceLimits(quotas=tuple(quota(image_tags=hard) for hard in limits)),
            sizes={},
            pushed={},
            domain=DOMAIN,
            top=0,
        )

    audits = [named("one", 1), named("two", 1, 1), named("z-far", 0)]
    assert [item.namespace for item in worst_first(audits)] == ["z-far", "two", "one"]


def test_kept_limits_are_listed_for_an_empty_namespace() -> None:
    limits = NamespaceLimits(
        image_size=limit("1Gi"), stream_tags=limit("1"), quotas=(quota(images=9),)
    )
    ours = {"storage", "alauda.io/image-tags", "alauda.io/images"}
    assert {limited.resource for limited in run_audit(usage(), limits).met} == ours
    assert {limited.resource for limited in run_audit(TWO, limits).met} == ours - {
        "alauda.io/image-tags"
    }
