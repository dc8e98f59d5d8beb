"""Pushes in flight: reservations whose members are not stored yet, and places in escrow."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.quota.effective import EffectiveUsage
from app.quota.ledger import Ledger
from app.quota.usage import NamespaceUsage


@dataclass(frozen=True)
class StreamInFlight:
    images: int = 0
    image_tags: int = 0


@dataclass(frozen=True)
class InFlight:
    """How many members of a namespace are reserved and not stored."""

    reservations: int = 0
    imagestreams: int = 0
    images: int = 0
    image_tags: int = 0
    streams: Mapping[str, StreamInFlight] = field(default_factory=dict)
    """The streams with images or tags in flight."""
    in_escrow: int = 0
    """The places that replicas hold in escrow. They count in the namespace and in each stream. A
    replica that has crashed holds its places until `Escrow.counted_until`."""


NOTHING_IN_FLIGHT = InFlight()
NO_STREAM_IN_FLIGHT = StreamInFlight()


def in_flight(ledger: Ledger, usage: NamespaceUsage, now: float) -> InFlight:
    """The members that a ledger holds and that are not stored. `now`: seconds since the epoch."""
    effective, touched, count = EffectiveUsage(usage), set[str](), 0
    for reservation in ledger:
        if reservation.expires_at > now and usage.missing(reservation.members):
            effective.add(reservation.members)
            touched |= reservation.members.touched_streams
            count += 1
    streams, images, tags = effective.counts()
    return InFlight(
        count,
        streams - usage.stream_count,
        images - usage.image_count,
        tags - usage.tag_count,
        {name: _of_stream(name, effective, usage) for name in touched},
        sum(escrow.places for escrow in ledger.escrows.values() if escrow.counted_until > now),
    )


def _of_stream(name: str, effective: EffectiveUsage, usage: NamespaceUsage) -> StreamInFlight:
    images, tags = effective.counts_of(name)
    return StreamInFlight(images - usage.image_count_of(name), tags - usage.tag_count_of(name))
