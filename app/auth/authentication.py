"""Authenticates callers of push checks and of the page, and tells their namespaces."""

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from app.model.bounded_file import read_bounded
from app.model.errors import UnusableError
from app.policy.names import matches
from app.registry.names import Repository

_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]{16,4096}=*", re.ASCII)


@dataclass(frozen=True)
class Subject:
    """An authenticated user, with the fields of a TokenReview."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    namespaces: tuple[str, ...] = ()
    """Patterns of namespaces, for users of a token file without a cluster."""


@dataclass(frozen=True)
class Visible:
    """The namespaces, out of those asked for, that a user may see."""

    namespaces: frozenset[str]
    unchecked: int = 0
    """The number of namespaces that were not checked, to bound the time. A repeated request
    checks more of them."""


class Authenticator(Protocol):
    """Authentication and rights. Every method raises StateUnavailableError if it cannot answer."""

    sees: str
    """An explanation for users of which namespaces they see."""
    hint: str
    """An explanation for users of where to get a token."""

    async def authenticate(self, token: str) -> Subject | None:
        """The user of a token; None for an unknown token."""

    def certified(self, name: str, groups: tuple[str, ...]) -> Subject | None:
        """The user of a valid client certificate; None for an unknown user."""

    async def may_push(self, subject: Subject, repository: Repository) -> bool: ...

    async def visible(self, subject: Subject, namespaces: Sequence[str]) -> Visible:
        """The namespaces that a user may see. They are checked in the given order."""


class TokenFileError(UnusableError):
    """The token file cannot be used. The text is `file:line: fault`."""


class StaticTokens:
    """Tokens of a file, for a service without a cluster. A changed file is read again.

    A line is `<token> <subject> <namespace pattern>[,<namespace pattern>…]`. Empty lines and
    lines that start with `#` are ignored.
    """

    sees = "the namespaces that your token is for"

    def __init__(self, path: Path, setting: str = "push-tokens") -> None:
        """`setting` names the file. Raises TokenFileError, and OSError for a file that cannot be
        read."""
        self.hint = f"Use a token of the file that --{setting} names."
        self._path = path
        self._changed_at = path.stat().st_mtime_ns
        self._subjects = _read(path)

    async def authenticate(self, token: str) -> Subject | None:
        self._refresh()
        offered = _fingerprint(token)
        found = None
        # Compare with every token, so that the time does not reveal one.
        for known, subject in self._subjects.items():
            if hmac.compare_digest(known, offered):
                found = subject
        return found

    def certified(self, name: str, groups: tuple[str, ...]) -> Subject | None:
        self._refresh()
        namespaces = {
            pattern
            for subject in self._subjects.values()
            if subject.name == name
            for pattern in subject.namespaces
        }
        return Subject(name, groups=groups, namespaces=tuple(namespaces)) if namespaces else None

    async def may_push(self, subject: Subject, repository: Repository) -> bool:
        return _fits(subject, repository.namespace)

    async def visible(self, subject: Subject, namespaces: Sequence[str]) -> Visible:
        return Visible(frozenset(name for name in namespaces if _fits(subject, name)))

    def _refresh(self) -> None:
        """Refuse everybody while a changed file is broken or missing."""
        try:
            changed_at = self._path.stat().st_mtime_ns
            if changed_at != self._changed_at:
                self._subjects, self._changed_at = _read(self._path), changed_at
        except (OSError, TokenFileError):
            self._subjects, self._changed_at = {}, 0


def _fits(subject: Subject, namespace: str) -> bool:
    return matches(namespace, subject.namespaces)


def _read(path: Path) -> dict[bytes, Subject]:
    try:
        text = read_bounded(path).decode()
    except UnicodeDecodeError:
        raise TokenFileError(f"{path}: not UTF-8 text; write one token a line") from None
    subjects: dict[bytes, Subject] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if not words or line.startswith("#"):
            continue
        if len(words) != 3:
            raise TokenFileError(f"{path}:{number}: not <token> <subject> <namespace pattern>,…")
        token, name, patterns = words
        if _TOKEN.fullmatch(token) is None:
            raise TokenFileError(
                f"{path}:{number}: a token has 16 to 4096 characters of A-Z a-z 0-9 . _ ~ + / - ="
            )
        subjects[_fingerprint(token)] = Subject(name, namespaces=tuple(patterns.split(",")))
    return subjects


def _fingerprint(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="replace")).digest()
