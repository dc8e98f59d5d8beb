"""A regular expression as an automaton over the characters of repository names.

Running a regex tells whether it matches one repository name. Its automaton also tells whether it
matches every continuation of a prefix, or none. Building and stepping are bounded for any regex.

Why no library: interegular refuses `^`, takes 13 seconds for `team-[a-c]/.*-dev` and does not end
within a minute for `.*/(big|data)-[a-z0-9-]{1,20}/.*`; greenery takes `^` for a character and does
not parse that rule's class. Trying a regex on the repositories that exist would miss the
repositories that come later. This module answers each of these rules in milliseconds.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from app.migration.regex_syntax import (
    ALPHABET,
    ANY,
    Anchor,
    Chars,
    Either,
    Part,
    Repeat,
    Sequence,
    UnsupportedRegexError,
    parse,
)

State = frozenset[int]
"""The active nodes after a prefix; empty if no continuation matches."""

DEAD: State = frozenset()
_ACCEPT, _SEARCH = 0, 1
_MATCHED: State = frozenset({_ACCEPT})
_MAX_NODES = 2_000


@dataclass
class _Node:
    """A node of the automaton: it reads a character, waits for an anchor, or only branches."""

    chars: frozenset[str] | None = None
    anchor: Anchor | None = None
    targets: list[int] = field(default_factory=list)


class Automaton:
    """A search for a regex in texts over ALPHABET. States are computed on demand."""

    def __init__(self, regex: str) -> None:
        """Build the automaton of a regex that RE2 accepts. Raises UnsupportedRegexError."""
        # A match is final, and a search may begin at every character.
        self._nodes = [_Node(ANY, targets=[_ACCEPT]), _Node(ANY, targets=[_SEARCH])]
        first = self._build(parse(regex), _ACCEPT)
        self._nodes[_SEARCH].targets.append(first)
        self._useful = self._find_useful()
        self._alike = self._find_alike()
        self._steps: dict[tuple[State, int], State] = {}
        self.start = self._closure([first, _SEARCH], at_start=True)
        """The state before the first character."""

    def step(self, state: State, char: str) -> State:
        key = (state, self._alike[char])
        following = self._steps.get(key)
        if following is None:
            nodes = [self._nodes[index] for index in state]
            following = self._closure(
                target for node in nodes if char in (node.chars or ()) for target in node.targets
            )
            self._steps[key] = following
        return following

    def matches_whatever_follows(self, state: State) -> bool:
        return _ACCEPT in state

    def matches_at_end(self, state: State) -> bool:
        """Whether a text that ends here matches."""
        return _ACCEPT in self._closure(state, at_end=True)

    def _build(self, part: Part, following: int) -> int:
        """Add the nodes of a part that continues at `following`. Returns the part's first node."""
        match part:
            case Chars(chars):
                return self._add(_Node(chars, targets=[following]))
            case Anchor():
                return self._add(_Node(anchor=part, targets=[following]))
            case Sequence(parts):
                for one in reversed(parts):
                    following = self._build(one, following)
                return following
            case Either(branches):
                return self._add(_Node(targets=[self._build(one, following) for one in branches]))
            case Repeat():
                return self._build_repeat(part, following)

    def _build_repeat(self, repeat: Repeat, following: int) -> int:
        if repeat.most is None:
            first = self._add(_Node(targets=[following]))
            self._nodes[first].targets.append(self._build(repeat.part, first))
        else:
            first = following
            for _ in range(repeat.most - repeat.least):
                once = self._build(repeat.part, first)
                first = self._add(_Node(targets=[once, following]))
        for _ in range(repeat.least):
            first = self._build(repeat.part, first)
        return first

    def _add(self, node: _Node) -> int:
        if len(self._nodes) == _MAX_NODES:
            raise UnsupportedRegexError("it is too large to be decided")
        self._nodes.append(node)
        return len(self._nodes) - 1

    def _find_useful(self) -> frozenset[int]:
        """The nodes from which a match can be reached after the first character."""
        sources: dict[int, list[int]] = {}
        for index, node in enumerate(self._nodes):
            at_start = node.anchor is not None and not node.anchor.at_end
            if not at_start and node.chars != frozenset():
                for target in node.targets:
                    sources.setdefault(target, []).append(index)
        found, waiting = {_ACCEPT}, [_ACCEPT]
        while waiting:
            new = set(sources.get(waiting.pop(), ())) - found
            found |= new
            waiting += new
        return frozenset(found)

    def _find_alike(self) -> dict[str, int]:
        """A number for each character; characters that no node distinguishes share one."""
        classes = {node.chars for node in self._nodes if node.chars is not None}
        numbers: dict[tuple[bool, ...], int] = {}
        return {
            char: numbers.setdefault(tuple(char in chars for chars in classes), len(numbers))
            for char in ALPHABET
        }

    def _closure(
        self, nodes: Iterable[int], *, at_start: bool = False, at_end: bool = False
    ) -> State:
        """The nodes that read a character or wait for the end, reachable without reading."""
        seen: set[int] = set()
        waiting, found = list(nodes), set()
        while waiting:
            index = waiting.pop()
            if index in seen:
                continue
            seen.add(index)
            node = self._nodes[index]
            if node.chars is not None:
                found.add(index)
            elif node.anchor is None or (at_end if node.anchor.at_end else at_start):
                waiting += node.targets
            elif node.anchor.at_end:
                found.add(index)
        return _MATCHED if _ACCEPT in found else self._useful & found
