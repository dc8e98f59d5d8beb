"""How far a replica has seen the ImageStreams, and how long that takes at most."""

from dataclasses import dataclass


@dataclass(frozen=True)
class View:
    """How far a replica has seen the ImageStreams."""

    position: int
    """The `resourceVersion` up to which every change is seen, and no later change."""
    time: float
    """Seconds since the epoch. Every change until this time is seen; later ones may be."""


@dataclass(frozen=True)
class Floor:
    """How far a replica must have seen the ImageStreams before it decides with a ledger."""

    position: int = 0
    """As in View."""
    set_at: float = 0.0
    """Seconds since the epoch: when the replica that wrote the floor had seen that position."""


@dataclass(frozen=True)
class Timing:
    """Durations in seconds."""

    expiry: float = 90.0
    """How long a reservation lasts: the longest time from admission to storage (60 s by default),
    the lag, and the error of the clocks."""
    lag: float = 0.0
    """The age of the oldest view that may decide."""
    skew: float = 0.0
    """The largest difference between the clocks of two replicas."""
