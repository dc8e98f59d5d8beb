"""Bounds the connections of one address and of all, and chooses the one that ends for a new one."""

import time
from collections.abc import Callable, Iterable

MAX_CONNECTIONS = 640
"""A TLS connection takes about 0.4 MB of memory, mostly for the buffers of uvloop."""
MAX_PER_ADDRESS = 640
"""One API server sends 600 requests at once at most, by default."""
_BURST = 50
_PER_SECOND = 20
"""How often a new connection may replace one of an address that has less than twice as many
connections as its own. Each replacement costs a TLS handshake, so clients that reconnect at once
would take a whole core. Replacing one of a larger address has no bound."""
_WITH_NEW = 2
"""While only new connections could give way, this multiple of a bound is admitted."""
_WITH_BUSY = 3
"""While no connection can give way, this multiple of a bound is admitted."""
GRACE = 5.0
"""Seconds that a connection has for a handshake and a request before it gives way. An API server
may open several hundred connections at once, and does not repeat a review that gets no answer."""


class Connection:
    """One accepted connection. It waits for its client, or its request is being answered."""

    identified = False
    """Whether TLS has verified a certificate of the client. Such connections give way last."""

    def __init__(
        self, address: "_Address", end: Callable[[], object], clock: Callable[[], float]
    ) -> None:
        self._address = address
        self._clock = clock
        self.end = end
        """Ends the connection at once."""
        self.waits_since = clock()

    def waits(self) -> None:
        """The connection waits for its client: for a handshake, a request or the rest of one."""
        self.works()
        self.waits_since = self._clock()
        self._address.waiting[self.identified][self] = None

    def works(self) -> None:
        """A request is being answered, so the connection does not give way."""
        for waiting in self._address.waiting:
            waiting.pop(self, None)

    def gone(self) -> None:
        """It has ended."""
        self._address.remove(self)


class _Address:
    """The connections of one address."""

    def __init__(self, name: str, known: "dict[str, _Address]") -> None:
        self._name = name
        self._known = known
        self.open: set[Connection] = set()
        self.waiting: tuple[dict[Connection, None], dict[Connection, None]] = ({}, {})
        """Waiting connections without and with a verified certificate, longest waiting first."""

    def add(self, end: Callable[[], object], clock: Callable[[], float]) -> Connection:
        connection = Connection(self, end, clock)
        self.open.add(connection)
        self._known[self._name] = self
        connection.waits()
        return connection

    def remove(self, connection: Connection) -> None:
        connection.works()
        self.open.discard(connection)
        if not self.open:
            self._known.pop(self._name, None)


class Connections:
    """The connections of one listener.

    At a bound, a new connection replaces another one: the longest waiting connection of the address
    that has the most. So API servers and probes can connect during a flood of silent connections.

    - A connection whose request is being answered never gives way.
    - A connection younger than GRACE gives way only above twice the bound.
    - While no connection can give way, the bound may be exceeded, up to three times.
    """

    def __init__(
        self,
        limit: int = MAX_CONNECTIONS,
        per_address: int = MAX_PER_ADDRESS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit = limit
        self._per_address = per_address
        self._addresses: dict[str, _Address] = {}
        self._clock = clock
        self._replacements = float(_BURST)
        self._counted_at = clock()

    def admit(self, name: str, end: Callable[[], object]) -> Connection | None:
        """A new connection from the address `name`; None if no other connection gives way."""
        address = self._addresses.get(name) or _Address(name, self._addresses)
        # An address that holds more than another one takes nothing from it.
        larger = [one for one in self._addresses.values() if len(one.open) >= len(address.open)]
        if self._is_full(address, [address], len(address.open), self._per_address):
            return None
        if self._is_full(address, larger, self.open, self._limit):
            return None
        return address.add(end, self._clock)

    @property
    def open(self) -> int:
        return sum(len(address.open) for address in self._addresses.values())

    def _is_full(self, address: _Address, others: list[_Address], count: int, bound: int) -> bool:
        """Whether a new connection of `address` must be refused at a bound.

        At the bound, this ends a connection of `others` if one can give way. Requests end soon,
        and new connections send a request or give way soon. So if there are no other connections,
        the bound may be exceeded.
        """
        if count < bound:
            return False
        now, is_beyond = self._clock(), count >= _WITH_NEW * bound
        found = _first_to_give_way(others, now - GRACE)
        if found is None and is_beyond:
            found = _first_to_give_way(others, now)
        if found is None:
            return count >= _WITH_BUSY * bound
        holder, victim = found
        if 2 * len(address.open) >= len(holder.open) and not self._may_replace():
            return is_beyond
        holder.remove(victim)
        victim.end()
        return False

    def _may_replace(self) -> bool:
        """Take one of the remaining replacements. Returns False if none is left."""
        now = self._clock()
        earned = (now - self._counted_at) * _PER_SECOND
        self._replacements, self._counted_at = min(self._replacements + earned, _BURST), now
        if self._replacements < 1:
            return False
        self._replacements -= 1
        return True


def _first_to_give_way(
    addresses: Iterable[_Address], waiting_before: float
) -> tuple[_Address, Connection] | None:
    """The longest waiting connection of the largest address.

    None if none has waited since `waiting_before`, in seconds of the clock.
    """
    by_size = sorted(addresses, key=lambda address: len(address.open), reverse=True)
    for identified in (False, True):
        for address in by_size:
            longest = next(iter(address.waiting[identified]), None)
            if longest is not None and longest.waits_since <= waiting_before:
                return address, longest
    return None
