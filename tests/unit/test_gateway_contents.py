"""Which images of a repository count."""

import pytest

from app.gateway.contents import NO_LINKS, Contents, Links

NOW = 1000.0


def contents(**images: Links) -> Contents:
    """Two tags on `a`, and images by name."""
    made = Contents(tags={"v1": "a", "v2": "a"})
    for digest, links in images.items():
        made.put(digest, links)
    return made


@pytest.mark.parametrize(
    ("images", "counted"),
    [
        pytest.param({"a": NO_LINKS}, {"a"}, id="tagged"),
        pytest.param({"a": NO_LINKS, "b": NO_LINKS}, {"a"}, id="untagged"),
        pytest.param({"a": Links(frozenset("b")), "b": NO_LINKS}, {"a", "b"}, id="child"),
        pytest.param({"a": Links(frozenset("b"))}, {"a"}, id="child that is no manifest"),
        pytest.param({"a": NO_LINKS, "b": Links(subject="a")}, {"a", "b"}, id="referrer"),
        pytest.param({"a": NO_LINKS, "b": Links(subject="x")}, {"a"}, id="referrer of nothing"),
        pytest.param(
            {"a": Links(frozenset("b"), "b"), "b": Links(frozenset(), "a")}, {"a", "b"}, id="circle"
        ),
        pytest.param(
            {"a": Links(frozenset("b")), "b": Links(frozenset("c")), "c": NO_LINKS},
            {"a", "b", "c"},
            id="index of an index",
        ),
    ],
)
def test_an_image_counts_while_a_tag_reaches_it(
    images: dict[str, Links], counted: set[str]
) -> None:
    assert contents(**images).counted() == counted


def test_an_image_without_a_tag_counts_until_its_grace_period_is_over() -> None:
    subject = contents(a=NO_LINKS, b=Links(frozenset("c")), c=NO_LINKS)
    subject.counts_until["b"] = NOW + 1

    subject.settle(NOW)
    assert subject.counted() == {"a", "b", "c"}
    subject.settle(NOW + 1)
    assert subject.counted() == {"a"}


def test_nothing_is_kept_of_a_removed_referrer() -> None:
    subject = Contents()
    subject.put("b", Links(subject="a"))
    subject.put("c", Links(subject="a"))
    subject.drop("b")
    assert subject.reach(["a"]) == {"c"}
    subject.drop("c")

    assert subject == Contents()


def test_an_image_in_its_grace_period_is_not_freed_with_its_tag() -> None:
    subject = contents(a=NO_LINKS, b=Links(frozenset("c")), c=NO_LINKS)
    subject.tags["only"] = "b"
    subject.counts_until["c"] = NOW + 1

    assert subject.freed("only", "x", NO_LINKS) == {"b"}


@pytest.mark.parametrize(
    ("tag", "frees"),
    [
        pytest.param("new", False, id="a new tag"),
        pytest.param("v1", False, id="another tag stays"),
        pytest.param("only", True, id="the only tag"),
    ],
)
def test_moving_the_only_tag_of_an_image_may_free_images(tag: str, frees: bool) -> None:
    subject = contents(a=NO_LINKS, b=NO_LINKS, x=NO_LINKS)
    subject.tags["only"] = "b"

    assert subject.point(tag, "x") is frees


def test_a_grace_period_ends_when_a_tag_reaches_the_image() -> None:
    subject = contents(a=Links(frozenset("b")), b=NO_LINKS)
    subject.counts_until["b"] = NOW + 1
    subject.settle(NOW)
    subject.tags.clear()

    assert subject.counted() == set()


@pytest.mark.parametrize(
    ("tag", "digest", "links", "freed"),
    [
        pytest.param("v3", "x", NO_LINKS, set(), id="a new tag"),
        pytest.param("v1", "x", NO_LINKS, set(), id="another tag stays"),
        pytest.param("only", "x", NO_LINKS, {"b", "c"}, id="the only tag"),
        pytest.param("only", "b", Links(frozenset("c")), set(), id="the same image"),
        pytest.param("only", "x", Links(frozenset("c")), {"b"}, id="its child is taken along"),
        pytest.param("only", "x", Links(subject="b"), {"b", "c"}, id="a referrer replaces it"),
    ],
)
def test_moving_a_tag_frees_images_that_nothing_else_reaches(
    tag: str, digest: str, links: Links, freed: set[str]
) -> None:
    subject = contents(a=NO_LINKS, b=Links(frozenset("c")), c=NO_LINKS)
    subject.tags["only"] = "b"

    assert subject.freed(tag, digest, links) == freed
