"""Effective usage is the union of stored and reserved members, in any order of events."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.quota.change import CountChange, StreamChange
from app.quota.effective import EffectiveUsage
from app.quota.ledger import Ledger, Reservation
from app.quota.members import Claims, Members
from app.quota.usage import NamespaceUsage, StreamUsage

STREAMS = st.sampled_from(["app", "web"])
TAGS = st.sampled_from(["v1", "v2", "v3"])
DIGESTS = st.sampled_from(["d1", "d2", "d3"])
STORED = st.dictionaries(STREAMS, st.dictionaries(TAGS, st.lists(DIGESTS, max_size=2).map(tuple)))
MEMBERS = st.builds(
    lambda images, tags: Members(
        frozenset(stream for stream, _ in images | tags), frozenset(images), frozenset(tags)
    ),
    st.sets(st.tuples(STREAMS, DIGESTS), max_size=3),
    st.sets(st.tuples(STREAMS, TAGS), max_size=3),
)


def observed(stored: dict[str, dict[str, tuple[str, ...]]]) -> tuple[NamespaceUsage, Members]:
    usage, union = NamespaceUsage(), Members()
    for name, tags in stored.items():
        stream = StreamUsage(tags)
        usage.put(name, stream)
        union |= stream.members(name)
    return usage, union


def counts(members: Members) -> tuple[int, int, int]:
    """The number of streams, distinct digests and tags."""
    return (
        len(members.streams),
        len({digest for _, digest in members.images}),
        len(members.tags),
    )


@given(STORED, st.lists(MEMBERS, max_size=5), MEMBERS)
def test_every_member_is_counted_once(
    stored: dict[str, dict[str, tuple[str, ...]]], reserved: list[Members], claimed: Members
) -> None:
    usage, union = observed(stored)
    ledger = Ledger(
        Reservation(str(number), members, expires_at=91) for number, members in enumerate(reserved)
    )
    for members in reserved:
        union |= members

    assessment = ledger.effective(usage).assess(Claims("ns", claimed))

    change = assessment.namespace
    rows = (change.imagestreams, change.images, change.image_tags)
    assert tuple(row.used for row in rows) == counts(union)
    assert tuple(row.after for row in rows) == counts(union | claimed)
    for name, part in assessment.streams.items():
        before, after = union.of_stream(name), (union | claimed).of_stream(name)
        assert (part.images.used, part.image_tags.used) == counts(before)[1:]
        assert (part.images.after, part.image_tags.after) == counts(after)[1:]


@given(STORED, st.lists(MEMBERS, max_size=4))
def test_order_and_repetition_of_reservations_do_not_matter(
    stored: dict[str, dict[str, tuple[str, ...]]], reserved: list[Members]
) -> None:
    usage, _ = observed(stored)

    def used(members: list[Members]) -> tuple[int, int, int]:
        effective = EffectiveUsage(usage)
        for each in members:
            effective.add(each)
        change = effective.assess(Claims("ns")).namespace
        return change.imagestreams.used, change.images.used, change.image_tags.used

    assert used(reserved) == used(reserved[::-1]) == used([*reserved, *reserved])


@pytest.mark.parametrize(
    ("removes", "images", "image_tags"),
    [
        pytest.param(Members(), CountChange(2, 1), CountChange(2, 1), id="nothing"),
        pytest.param(
            Members(images=frozenset({("app", "d1")}), tags=frozenset({("app", "v1")})),
            CountChange(2, 1, 1),
            CountChange(2, 1, 1),
            id="an image and a tag of the stream",
        ),
        pytest.param(
            Members(images=frozenset({("app", "d8")}), tags=frozenset({("app", "v8")})),
            CountChange(2, 1),
            CountChange(2, 1),
            id="what is not stored in it",
        ),
        pytest.param(
            Members(images=frozenset({("web", "d1")}), tags=frozenset({("web", "v1")})),
            CountChange(2, 1),
            CountChange(2, 1),
            id="what another stream holds",
        ),
    ],
)
def test_removed_members_make_room_in_their_stream(
    removes: Members, images: CountChange, image_tags: CountChange
) -> None:
    usage, _ = observed({"app": {"v1": ("d1",), "v2": ("d2",)}, "web": {"v1": ("d1",)}})
    adds = Members(frozenset({"app"}), frozenset({("app", "d9")}), frozenset({("app", "v9")}))

    assessment = EffectiveUsage(usage).assess(Claims("ns", adds, removes))

    assert assessment.streams == {"app": StreamChange(images, image_tags)}


def test_an_empty_stream_that_is_reserved_is_not_new_to_the_next_request() -> None:
    usage, _ = observed({})
    effective = EffectiveUsage(usage)
    empty = Members(frozenset({"app"}))
    effective.add(empty)

    assert effective.assess(Claims("ns", empty)).namespace.imagestreams == CountChange(1, 0)


def test_the_members_of_one_stream() -> None:
    both = Members(
        frozenset({"app", "web"}),
        frozenset({("app", "d1"), ("web", "d1")}),
        frozenset({("app", "v1"), ("web", "v1")}),
    )

    assert both.of_stream("app") == Members(
        frozenset({"app"}), frozenset({("app", "d1")}), frozenset({("app", "v1")})
    )
    assert both.of_stream("api") == Members()
