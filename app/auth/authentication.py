"""Who may ask for push checks and look at the page, and for which namespaces."""

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Protocol

from app.model.errors import UnusableError
from app.registry.names import Repository

_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]{16,4096}=*", re.ASCII)


@dataclass(frozen=True)
class Subject:
    """Someone whose token was accepted, as TokenReview describes a user."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    namespaces: tuple[str, ...] = ()
    """Patterns of namespaces; only for subjects whose rights no cluster knows."""


@dataclass(frozen=True)
class Visible:
    """Which of the namespaces that were asked about someone may see."""

    namespaces: frozenset[str]
    unchecked: int = 0
    """How many were left out, because asking about all at once would take too long: the same
    question again gets further."""


class Authenticator(Protocol):
    """Every question raises StateUnavailableError if it cannot be answered now."""

    sees: str
    """Which namespaces people see, for themselves to read."""
    hint: str
    """Where they get a token from."""

    async def authenticate(self, token: str) -> Subject | None:
        """Whose token this is; None for one that nobody has issued."""

    def certified(self, name: str, groups: tuple[str, ...]) -> Subject | None:
        """Who a client certificate that is valid speaks of; None for somebody unknown."""

    async def may_push(self, subject: Subject, repository: Repository) -> bool: ...

    async def visible(self, subject: Subject, namespaces: Sequence[str]) -> Visible:
        """Where someone may see what there is; the first namespaces are checked first."""


class TokenFileError(UnusableError):
    """A token file that cannot be used; the text is `file:line: what is wrong`."""


class StaticTokens:
    """Tokens from a file, for a service without a cluster; read again when it changes.

    A line is `<token> <subject> <namespace pattern>[,<namespace pattern>…]`; lines that are
    empty or start with `#` say nothing.
    """

    sees = "the namespaces that your token is for"
    hint = "Use a token of the file that --push-tokens names."

    def __init__(self, path: Path) -> None:
        """Raises TokenFileError, and OSError for a file that cannot be read."""
        self._path = path
        self._changed_at = path.stat().st_mtime_ns
        self._subjects = _read(path)

    async def authenticate(self, token: str) -> Subject | None:
        self._refresh()
        offered = _fingerprint(token)
        found = None
        # Every token is compared, so that the time taken tells nothing about any of them.
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
        """A file that is broken or gone after a change lets nobody in."""
        try:
            changed_at = self._path.stat().st_mtime_ns
            if changed_at != self._changed_at:
                self._subjects, self._changed_at = _read(self._path), changed_at
        except (OSError, TokenFileError):
            self._subjects, self._changed_at = {}, 0


def _fits(subject: Subject, namespace: str) -> bool:
    return any(fnmatchcase(namespace, pattern) for pattern in subject.namespaces)


def _read(path: Path) -> dict[bytes, Subject]:
    try:
        text = path.read_text("utf-8")
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
