"""Finds the path rules that can be the first to match a repository of a namespace."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from app.migration.regex_automaton import DEAD, Automaton, State

_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
_START, _INSIDE, _SEPARATED, _UNDERSCORE, _DASH = range(5)
_TO_INSIDE = dict.fromkeys(_LETTERS, _INSIDE)
# [a-z0-9]+ ((\.|_|__|-+) [a-z0-9]+)* in each path component (OCI distribution specification).
_NAME = {
    _START: _TO_INSIDE,
    _INSIDE: {**_TO_INSIDE, ".": _SEPARATED, "_": _UNDERSCORE, "-": _DASH, "/": _START},
    _SEPARATED: _TO_INSIDE,
    _UNDERSCORE: {**_TO_INSIDE, "_": _SEPARATED},
    _DASH: {**_TO_INSIDE, "-": _DASH},
}
_COMPLETION = "app"
_MAX_STEPS = 200_000


@dataclass
class FirstMatches:
    """The rules, by index, that are the first to match a repository of a namespace."""

    examples: dict[int, str] = field(default_factory=dict)
    """For each rule that certainly matches first: a repository that it matches."""
    undecided: set[int] = field(default_factory=set)
    """Rules that may match first."""


@dataclass(frozen=True)
class _Place:
    """A set of repository name prefixes that the rules do not distinguish."""

    name: int
    states: tuple[State, ...]


_Live = list[tuple[int, Automaton | None, State]]
"""(index, automaton, state after the namespace) of each rule that can match in the namespace."""


class OrderedRules:
    """Path rules; the first that matches decides.

    Ask for namespaces in alphabetical order: the states after a common prefix are computed once.
    """

    def __init__(self, rules: Sequence[Automaton | None]) -> None:
        """None stands for a rule whose regex is not understood."""
        live = [(index, rule, rule.start if rule else DEAD) for index, rule in enumerate(rules)]
        self._path = [("", _decided(live))]
        """The prefixes of the last namespace, each with the rules that can match after it."""

    def first_matches(self, namespace: str, *, flat: bool = False) -> FirstMatches:
        """The rules that are first for some repository of a namespace.

        `flat` leaves out repositories with more than one path component below the namespace.
        The result is exact, except in two cases: a regex is not understood, or the rules need
        more than _MAX_STEPS steps. Then the rules that may apply are undecided.
        """
        live = self._live(f"{namespace}/")
        found = FirstMatches()
        first = _Place(_START, tuple(state for _, _, state in live))
        waiting, seen, steps = deque([(first, "")]), {first}, 0
        while waiting:
            place, text = waiting.popleft()
            settled = _is_settled(place, live)
            if settled or place.name == _INSIDE:
                repository = text if place.name == _INSIDE else text + _COMPLETION
                _record(found, place, live, f"{namespace}/{repository}")
            if settled:
                continue
            for char, name in _NAME[place.name].items():
                if flat and char == "/":
                    continue
                steps += len(live)
                if steps > _MAX_STEPS:
                    return FirstMatches(undecided={index for index, _, _ in live})
                following = _Place(name, _step(place, live, char))
                if following not in seen:
                    seen.add(following)
                    waiting.append((following, text + char))
        found.undecided -= found.examples.keys()
        return found

    def _live(self, prefix: str) -> _Live:
        while not prefix.startswith(self._path[-1][0]):
            self._path.pop()
        known, live = self._path[-1]
        for end in range(len(known) + 1, len(prefix) + 1):
            live = _decided(_advance(live, prefix[end - 1]))
            self._path.append((prefix[:end], live))
        return live


def _advance(live: _Live, char: str) -> _Live:
    """The rules that can still match after one more character."""
    found: _Live = []
    for index, automaton, state in live:
        if automaton is None:
            found.append((index, None, DEAD))
        elif following := automaton.step(state, char):
            found.append((index, automaton, following))
    return found


def _decided(live: _Live) -> _Live:
    """Drop the rules behind a rule that matches every continuation."""
    for position, (_, automaton, state) in enumerate(live):
        if automaton and automaton.matches_whatever_follows(state):
            return live[: position + 1]
    return live


def _step(place: _Place, live: _Live, char: str) -> tuple[State, ...]:
    """The states after one more character; DEAD for rules behind one that already matches."""
    states = []
    for (_, automaton, _), state in zip(live, place.states, strict=True):
        states.append(automaton.step(state, char) if automaton and state else DEAD)
        if automaton and automaton.matches_whatever_follows(states[-1]):
            break
    return (*states, *[DEAD] * (len(live) - len(states)))


def _is_settled(place: _Place, live: _Live) -> bool:
    """Whether all repositories with this prefix have the same first match."""
    for (_, automaton, _), state in zip(live, place.states, strict=True):
        if automaton and automaton.matches_whatever_follows(state):
            return True
        if state:
            return False
    return True


def _record(found: FirstMatches, place: _Place, live: _Live, repository: str) -> None:
    for (index, automaton, _), state in zip(live, place.states, strict=True):
        if automaton is None:
            found.undecided.add(index)
        elif automaton.matches_at_end(state):
            found.examples.setdefault(index, repository)
            return
