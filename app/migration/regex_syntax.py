"""Parses the part of RE2's syntax that path rules use, into a tree.

Only characters of repository names are kept: a regex never meets other characters. Other syntax
(flags, `\\b`, `[[:alpha:]]`, named groups) is refused, not guessed.
"""

import re
from dataclasses import dataclass

ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789._-/"
"""The characters of a repository name (OCI distribution specification)."""

ANY = frozenset(ALPHABET)
_DIGITS = frozenset("0123456789")
_WORDS = _DIGITS | frozenset("abcdefghijklmnopqrstuvwxyz_")
_NONE = frozenset[str]()
_PERL_CLASSES = {
    "d": _DIGITS, "D": ANY - _DIGITS, "w": _WORDS, "W": ANY - _WORDS, "s": _NONE, "S": ANY,
}  # fmt: skip
_QUANTIFIER = re.compile(r"(?:[*+?]|\{(\d{1,4})(?:(,)(\d{0,4}))?\})\??", re.ASCII)
_BOUNDS: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}
_MAX_DEPTH = 50


class UnsupportedRegexError(ValueError):
    """The regex uses syntax that this parser does not know. The text names the part."""


@dataclass(frozen=True)
class Chars:
    """One character of a set."""

    chars: frozenset[str]


@dataclass(frozen=True)
class Anchor:
    """The start or the end of the text; there is no multi-line mode."""

    at_end: bool


@dataclass(frozen=True)
class Sequence:
    parts: tuple["Part", ...]


@dataclass(frozen=True)
class Either:
    branches: tuple["Part", ...]


@dataclass(frozen=True)
class Repeat:
    part: "Part"
    least: int
    most: int | None
    """None: no upper bound."""


Part = Chars | Anchor | Sequence | Either | Repeat


def parse(regex: str) -> Part:
    """The tree of a regex that RE2 accepts. Raises UnsupportedRegexError."""
    parser = _Parser(regex)
    part = parser.either()
    parser.expect_end()
    return part


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0

    def either(self) -> Part:
        branches = [self._sequence()]
        while self._skip("|"):
            branches.append(self._sequence())
        return branches[0] if len(branches) == 1 else Either(tuple(branches))

    def expect_end(self) -> None:
        if self._at < len(self._text):
            raise self._unsupported()

    def _sequence(self) -> Part:
        parts = []
        while self._peek() not in ("", "|", ")"):
            parts.append(self._repeated())
        return Sequence(tuple(parts))

    def _repeated(self) -> Part:
        part = self._atom()
        match = _QUANTIFIER.match(self._text, self._at)
        if match is None:
            return part
        self._at = match.end()
        if match[1] is None:
            return Repeat(part, *_BOUNDS[match[0][0]])
        least = int(match[1])
        most = int(match[3]) if match[3] else None if match[2] else least
        return Repeat(part, least, most)

    def _atom(self) -> Part:
        match self._peek():
            case "(":
                return self._group()
            case "[":
                return Chars(self._class())
            case "\\":
                return self._escape()
            case "." | "^" | "$" as char:
                self._at += 1
                return Chars(ANY) if char == "." else Anchor(at_end=char == "$")
            case "*" | "+" | "?" | "{":
                raise self._unsupported()
            case char:
                self._at += 1
                return Chars(ANY & {char})

    def _group(self) -> Part:
        if not self._skip("(?:"):
            if self._text.startswith("(?", self._at) or self._depth == _MAX_DEPTH:
                raise self._unsupported()
            self._at += 1
        self._depth += 1
        part = self.either()
        self._depth -= 1
        if not self._skip(")"):
            raise self._unsupported()
        return part

    def _escape(self) -> Part:
        if self._skip("\\A"):
            return Anchor(at_end=False)
        if self._skip("\\z"):
            return Anchor(at_end=True)
        escaped = self._escaped()
        return Chars(ANY & {escaped} if isinstance(escaped, str) else escaped)

    def _class(self) -> frozenset[str]:
        self._at += 1
        negated = self._skip("^")
        start, found = self._at, _NONE
        while self._at == start or not self._skip("]"):
            low = self._class_item()
            if isinstance(low, frozenset):
                found |= low
            elif self._peek() == "-" and not self._text.startswith("-]", self._at):
                self._at += 1
                high = self._class_item()
                if isinstance(high, frozenset):
                    raise self._unsupported()
                found |= {char for char in ALPHABET if low <= char <= high}
            else:
                found |= ANY & {low}
        return ANY - found if negated else found

    def _class_item(self) -> str | frozenset[str]:
        """A character, or the class that an escape such as `\\d` stands for."""
        if self._peek() == "\\":
            return self._escaped()
        if self._peek() == "" or self._text.startswith("[:", self._at):
            raise self._unsupported()
        self._at += 1
        return self._text[self._at - 1]

    def _escaped(self) -> str | frozenset[str]:
        char = self._text[self._at + 1 : self._at + 2]
        if char not in _PERL_CLASSES and (not char or char.isalnum() or not char.isascii()):
            raise self._unsupported()
        self._at += 2
        return _PERL_CLASSES.get(char, char)

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _skip(self, text: str) -> bool:
        found = self._text.startswith(text, self._at)
        self._at += len(text) if found else 0
        return found

    def _unsupported(self) -> UnsupportedRegexError:
        part = self._text[self._at : self._at + 10]
        return UnsupportedRegexError(f"{part!r} is outside of the syntax that can be decided")
