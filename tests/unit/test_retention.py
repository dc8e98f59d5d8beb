"""Namespaces that pruning cannot bring under their limits."""

from hypothesis import given
from hypothesis import strategies as st

from app.model.limits import NamespaceLimits
from app.model.registry import ImagePrunerSpec
from app.policy.operator import retention
from app.policy.verdict import MAX_WARNING
from app.quota.usage import NamespaceUsage, StreamUsage
from tests.unit.stores import DOMAIN, limit, quota

Tags = dict[str, tuple[str, ...]]


def digest(name: str) -> str:
    return "sha256:" + name.encode().hex().rjust(64, "0")


def usage(**streams: dict[str, str]) -> NamespaceUsage:
    """Streams by name. A tag's history is a text with a letter for each image, newest first."""
    found = NamespaceUsage()
    for name, tags in streams.items():
        histories = {tag: tuple(map(digest, history)) for tag, history in tags.items()}
        found.put(name, StreamUsage(histories))
    return found


def full(found: NamespaceUsage, limits: NamespaceLimits, revisions: int) -> list[tuple[str, int]]:
    levels = retention.staying_full("team-a", found, limits, revisions, DOMAIN)
    return [(f"{level.name} {level.resource}", level.used) for level in levels]


def images(count: int) -> NamespaceLimits:
    return NamespaceLimits(quotas=(quota(images=count),))


def test_the_newest_revisions_of_every_tag_stay() -> None:
    found = usage(app={"v1": "abc", "v2": "ade"}, web={"v1": "fa"})

    assert full(found, images(3), 3) == [("team-a alauda.io/images", 6)]
    assert full(found, images(3), 2) == [("team-a alauda.io/images", 4)]
    assert full(found, images(3), 1) == []
    assert full(found, images(2), 1) == [("team-a alauda.io/images", 2)]


def test_returned_image_counts_as_two_revisions() -> None:
    assert full(usage(app={"v1": "abac"}), images(3), 3) == []
    assert full(usage(app={"v1": "abac"}), images(3), 4) == [("team-a alauda.io/images", 3)]


def test_namespace_with_room_gets_no_warning() -> None:
    assert full(usage(app={"v1": "abc"}), images(4), 3) == []
    assert full(usage(), images(0), 3) == []
    assert full(usage(app={"v1": "abc"}), NamespaceLimits(), 3) == []


def test_zero_revisions_keep_nothing_for_certain() -> None:
    limits = NamespaceLimits(quotas=(quota(images=1, image_tags=1),), stream_tags=limit("1"))

    assert full(usage(app={"v1": "abc"}), limits, 0) == []
    assert full(usage(app={"v1": "abc"}), limits, -1) == []


def test_tags_are_never_pruned() -> None:
    found = usage(app={"v1": "a", "v2": ""}, web={"v1": "a"})
    limits = NamespaceLimits(quotas=(quota(image_tags=3),), stream_tags=limit("2"))

    assert full(found, limits, 1) == [
        ("team-a alauda.io/image-tags", 3),
        ("team-a/app alauda.io/image-tags", 2),
    ]


def test_stream_limits_apply_to_each_stream() -> None:
    found = usage(app={"v1": "abc"}, web={"v1": "ab", "v2": "cd"})
    limits = NamespaceLimits(stream_images=limit("2"))

    assert full(found, limits, 2) == [
        ("team-a/app alauda.io/images", 2),
        ("team-a/web alauda.io/images", 4),
    ]
    assert full(found, limits, 1) == [("team-a/web alauda.io/images", 2)]


@given(
    st.dictionaries(
        st.sampled_from("xyz"),
        st.dictionaries(st.sampled_from("123"), st.text("abcdef", max_size=6), max_size=3),
        max_size=3,
    ),
    st.integers(1, 6),
    st.integers(0, 8),
)
def test_retention_equals_a_pruner_without_age_and_use(
    streams: dict[str, dict[str, str]], revisions: int, hard: int
) -> None:
    left = {
        image for tags in streams.values() for text in tags.values() for image in text[:revisions]
    }

    found = full(usage(**streams), images(hard), revisions)

    expected = [("team-a alauda.io/images", len(left))] if left and len(left) >= hard else []
    assert found == expected


def test_warnings_name_limit_and_next_step() -> None:
    found = usage(app={"v1": "abc", "v2": "d"})
    limits = NamespaceLimits(quotas=(quota(images=2, image_tags=2),))

    levels = list(retention.staying_full("team-a", found, limits, 3, DOMAIN))

    assert retention.warnings(levels, 3) == [
        "Namespace team-a: pruning keeps 4 images, the newest 3 of every tag, and ResourceQuota q "
        "allows 2; lower spec.keepTagRevisions or delete tags",
        "Namespace team-a: pruning keeps all 2 tags, and ResourceQuota q allows 2; delete tags",
    ]


def test_only_the_fullest_are_named() -> None:
    streams = {f"s{number}": {"v1": "abcdef"[:number]} for number in range(1, 7)}
    limits = NamespaceLimits(stream_images=limit("1"))

    levels = list(retention.staying_full("team-a", usage(**streams), limits, 9, DOMAIN))
    told = retention.warnings(levels, 9)

    assert [text.split(":")[0] for text in told[:3]] == [
        "ImageStream team-a/s6",
        "ImageStream team-a/s5",
        "ImageStream team-a/s4",
    ]
    assert told[0] == (
        "ImageStream team-a/s6: pruning keeps 6 images, the newest 9 of every tag, and "
        "LimitRange limits allows 1; lower spec.keepTagRevisions or delete tags"
    )
    assert told[3:] == ["pruning makes no room under 3 more limits that are full"]
    assert retention.warnings(levels[3:], 9) == told[:3]


def test_warnings_with_long_names_are_not_cut() -> None:
    found = NamespaceUsage()
    found.put("s" * 60, StreamUsage({"v1": (digest("a"), digest("b"))}))
    limits = NamespaceLimits(stream_images=limit("1"), stream_tags=limit("1"))

    levels = list(retention.staying_full("n" * 40, found, limits, 2, DOMAIN))
    warnings = retention.warnings(levels, 2)

    assert len(warnings) == 2
    assert all(len(text) <= MAX_WARNING for text in warnings)


def test_pruner_keeps_three_revisions_by_default() -> None:
    assert retention.kept_revisions(ImagePrunerSpec()) == 3
    assert retention.kept_revisions(ImagePrunerSpec(keep_tag_revisions=0)) == 0
