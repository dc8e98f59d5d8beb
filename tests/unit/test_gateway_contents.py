"""Which images of a repository count."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.gateway.contents import NO_LINKS, Contents, Links
from app.gateway.repository_usage import RepositoryUsage
from app.quota.usage import NamespaceUsage

NOW = 1000.0


def contents(**images: Links) -> Contents:
    """Two tags on `a`, and images by name."""
    made = Contents()
    for digest, links in images.items():
        made.put(digest, links)
    for tag in ("v1", "v2"):
        made.point(tag, "a")
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
    subject.count_until("b", NOW + 1)
    subject.count_until("b", NOW + 2)

    subject.settle(NOW + 1)
    assert subject.counted() == {"a", "b", "c"}
    assert subject.next_end() == NOW + 2
    subject.settle(NOW + 2)
    assert subject.counted() == {"a"}
    assert subject.next_end() is None


def test_nothing_is_kept_of_a_removed_referrer() -> None:
    subject = Contents()
    subject.put("b", Links(subject="a"))
    subject.put("c", Links(subject="a"))
    subject.drop("b")
    assert subject.reach(["a"]) == {"c"}
    subject.drop("c")

    assert subject._referrers == {}
    assert not subject


def test_kept_image_counts_without_a_tag_and_without_its_manifest() -> None:
    subject = Contents()
    subject.keep("a")
    subject.keep("a")
    subject.release("a")
    assert subject
    assert subject.counted() == {"a"}

    subject.release("a")
    assert not subject
    assert subject.counted() == set()


def test_an_image_in_its_grace_period_is_not_freed_with_its_tag() -> None:
    subject = contents(a=NO_LINKS, b=Links(frozenset("c")), c=NO_LINKS)
    subject.count_until("c", NOW + 1)
    subject.keep("c")
    subject.point("only", "b")

    assert subject.freed("only", "x", NO_LINKS) == {"b"}
    subject.release("c")
    assert subject.freed("only", "x", NO_LINKS) == {"b", "c"}


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(lambda subject: subject.point("new", "b"), id="its own tag"),
        pytest.param(lambda subject: subject.point("new", "c"), id="the tag of an index"),
        pytest.param(lambda subject: subject.put("a", Links(frozenset("b"))), id="a new link"),
        pytest.param(lambda subject: subject.put("b", Links(subject="a")), id="a new subject"),
    ],
)
def test_a_grace_period_ends_when_a_tag_reaches_the_image(
    event: Callable[[Contents], None],
) -> None:
    subject = contents(a=NO_LINKS, b=NO_LINKS, c=Links(frozenset("b")))
    subject.count_until("b", NOW + 1)
    event(subject)
    for tag in list(subject.tags):
        subject.untag(tag)

    assert subject.counted() == set()
    assert subject.next_end() is None


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
    subject.point("only", "b")

    assert subject.freed(tag, digest, links) == freed


DIGESTS = st.sampled_from("abcde")
LINKS = st.builds(Links, st.frozensets(DIGESTS, max_size=2), st.sampled_from(["", *"abcde"]))
TAGS = st.sampled_from(["v1", "v2", "v3"])
CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("put"), DIGESTS, LINKS),
        st.tuples(st.just("drop"), DIGESTS),
        st.tuples(st.just("point"), TAGS, DIGESTS),
        st.tuples(st.just("untag"), TAGS),
        st.tuples(st.just("count_until"), DIGESTS, st.integers(1, 9)),
        st.tuples(st.just("settle"), st.integers(1, 9)),
        st.tuples(st.just("keep"), DIGESTS),
        st.tuples(st.just("release")),
    ),
    min_size=5,
    max_size=25,
)
FIRST: list[tuple[Any, ...]] = [
    ("put", "a", Links(frozenset("b"))),
    ("put", "b", NO_LINKS),
    ("put", "c", Links(subject="a")),
    ("point", "v1", "a"),
]


class Whole:
    """Counts by reading the whole repository, as the rules say."""

    def __init__(self) -> None:
        self.tags: dict[str, str] = {}
        self.images: dict[str, Links] = {}
        self.until: dict[str, int] = {}
        self.kept: list[str] = []

    def change(self, name: str, *values: Any) -> tuple[Any, ...] | None:
        """Returns what the contents have to be told; None for a change that cannot be."""
        match name, *values:
            case "put", digest, links:
                self.images[digest] = links
            case "drop", digest:
                self.images.pop(digest, None)
                self.until.pop(digest, None)
            case "point", tag, digest:
                self.tags[tag] = digest
            case "untag", tag:
                self.tags.pop(tag, None)
            case "count_until", digest, end:
                if digest not in self.images:
                    return None
                self.until[digest] = end
            case "settle", now:
                self.until = {one: end for one, end in self.until.items() if end > now}
            case "keep", digest:
                self.kept.append(digest)
            case _:
                if not self.kept:
                    return None
                values = (self.kept.pop(0),)
        for digest in self.reach(self.tags.values()):
            self.until.pop(digest, None)
        return values

    def reach(self, digests: Iterable[str]) -> set[str]:
        found: set[str] = set()
        waiting = list(digests)
        while waiting:
            if (digest := waiting.pop()) not in found:
                found.add(digest)
                waiting += self.images.get(digest, NO_LINKS).children
                waiting += [one for one, links in self.images.items() if links.subject == digest]
        return found

    def counted(self) -> set[str]:
        roots = {*self.tags.values(), *self.kept}
        return (self.reach({*roots, *self.until}) & self.images.keys()) | roots


@settings(max_examples=300)
@given(CHANGES, TAGS, LINKS)
def test_counts_after_any_changes_are_those_of_the_whole_repository(
    changes: list[tuple[Any, ...]], tag: str, links: Links
) -> None:
    """A change costs what it reaches. It must count as if everything was read again."""
    subject, whole = Contents(), Whole()
    for name, *values in FIRST:
        getattr(subject, name)(*values)
        whole.change(name, *values)
    usage, namespace = RepositoryUsage(subject), NamespaceUsage()
    namespace.put("app", usage)
    for name, *values in changes:
        if (told := whole.change(name, *values)) is None:
            continue
        getattr(subject, name)(*told)
        usage.follow(subject, namespace, "app")

        assert subject.counted() == usage.images == whole.counted()
        assert subject.counts_until == whole.until
        assert subject.next_end() == min(whole.until.values(), default=None)
        assert {tag: usage.latest(tag) for tag in usage.tags} == whole.tags
        assert (namespace.image_count, namespace.tag_count) == (len(usage.images), len(usage.tags))
        assert bool(subject) == bool(whole.tags or whole.images or whole.until or whole.kept)

    before, freed = whole.counted(), subject.freed(tag, "x", links)
    whole.change("put", "x", links)
    whole.change("point", tag, "x")
    assert freed == (before - whole.counted()) & whole.images.keys()
