"""Effective use is the union of what is stored and what is reserved, however both came about."""

from hypothesis import given
from hypothesis import strategies as st

from app.quota.effective import Effective
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
    """Streams, distinct digests and tags."""
    return (
        len(members.streams),
        len({digest for _, digest in members.images}),
        len(members.tags),
    )


@given(STORED, st.lists(MEMBERS, max_size=5), MEMBERS)
def test_no_member_is_counted_twice_and_none_is_forgotten(
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
def test_neither_order_nor_repetition_of_reservations_changes_anything(
    stored: dict[str, dict[str, tuple[str, ...]]], reserved: list[Members]
) -> None:
    usage, _ = observed(stored)

    def used(members: list[Members]) -> tuple[int, int, int]:
        effective = Effective(usage)
        for each in members:
            effective.add(each)
        change = effective.assess(Claims("ns")).namespace
        return change.imagestreams.used, change.images.used, change.image_tags.used

    assert used(reserved) == used(reserved[::-1]) == used([*reserved, *reserved])
