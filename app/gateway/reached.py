"""The part of a graph that can be reached from some roots, while roots and links change."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import chain

Links = Callable[[str], Iterable[str]]


def reach(digests: Iterable[str], links: Links) -> set[str]:
    """The digests that can be reached from these, which are included."""
    found = set(digests)
    waiting = list(found)
    while waiting:
        new = set(links(waiting.pop())) - found
        found |= new
        waiting += new
    return found


class Reached:
    """The digests that can be reached from the roots.

    The cost of a change is the number of digests that can be reached from where it is made. Each
    change returns the digests that have come or gone because of it, and a root that it concerns.
    """

    __slots__ = ("_linked", "_links", "_roots")

    def __init__(self, links: Links) -> None:
        """`links`: the digests to which a digest leads at present."""
        self._links = links
        self._roots: defaultdict[str, int] = defaultdict(int)
        self._linked: defaultdict[str, int] = defaultdict(int)
        """The number of links that lead from reached digests to each digest."""

    def __bool__(self) -> bool:
        return bool(self._roots)

    def __iter__(self) -> Iterator[str]:
        """A digest may come twice."""
        return chain(self._roots, self._linked)

    def __contains__(self, digest: str) -> bool:
        return digest in self._roots or digest in self._linked

    def is_root(self, digest: str) -> bool:
        return digest in self._roots

    def add_root(self, digest: str) -> set[str]:
        """Add a root. A digest can be a root several times."""
        is_new = digest not in self
        self._roots[digest] += 1
        return self._extend({digest}) if is_new else {digest}

    def remove_root(self, digest: str) -> set[str]:
        gone = self.gone_without(digest)
        _decrement(self._roots, digest)
        for one in gone:
            for target in self._links(one):
                _decrement(self._linked, target)
        return gone | {digest}

    def add_link(self, source: str, target: str) -> set[str]:
        """Note that a link has been added."""
        if source not in self:
            return set()
        is_new = target not in self
        self._linked[target] += 1
        return self._extend({target}) if is_new else set()

    def remove_link(self, source: str, target: str) -> set[str]:
        """Note that a link has been removed."""
        if source not in self:
            return set()
        self._roots[target] += 1
        _decrement(self._linked, target)
        return self.remove_root(target)

    def gone_without(self, root: str, others: Iterable[str] = ()) -> set[str]:
        """The digests that are not reached any more once a root is removed, and `others` are added
        as roots.

        Links may form circles. So a digest stays if more links lead to it than those from the
        digests that the root reaches.
        """
        if self._roots.get(root, 0) > 1:
            return set()
        touched = reach([root], self._links)
        inner = Counter(target for digest in touched for target in self._links(digest))
        held = {
            digest
            for digest in touched
            if self._linked.get(digest, 0) > inner[digest]
            or (digest in self._roots and digest != root)
        }
        return touched - reach({*held, *others}, self._links)

    def _extend(self, come: set[str]) -> set[str]:
        waiting = list(come)
        while waiting:
            for target in self._links(waiting.pop()):
                if target not in self:
                    come.add(target)
                    waiting.append(target)
                self._linked[target] += 1
        return come


def _decrement(counts: dict[str, int], digest: str) -> None:
    counts[digest] -= 1
    if not counts[digest]:
        del counts[digest]
