"""References whose state at the registry is not certain yet."""

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from app.gateway.database import Intent
from app.gateway.questions import Answer, Found, Unreadable
from app.registry.names import Repository

_Key = tuple[Repository, str]


@dataclass(frozen=True)
class Doubt:
    digest: str = ""
    """The manifest that the registry may have stored, or may still store."""
    intents: tuple[Intent, ...] = ()
    """The pushes whose outcome is unknown."""
    kept: frozenset[str] = frozenset()
    """The images that the tag pointed at before. They count until the doubt ends."""
    until: float = math.inf
    """The time of the event loop at which every answer counts."""


class Doubts:
    """Decides when an answer of the registry ends a doubt.

    The registry may store a manifest after the question. Until some seconds have passed, only the
    answer counts that it has stored it.
    """

    def __init__(self, settle: float) -> None:
        """`settle`: seconds between the two questions."""
        self._settle = settle
        self._open: dict[_Key, Doubt] = {}

    def __contains__(self, key: object) -> bool:
        return key in self._open

    def begin(self, intent: Intent, before: str) -> str:
        """`before`: the image that the tag pointed at, or "". Returns it if it has to be kept until
        the doubt ends, and otherwise ""."""
        kept = ""
        for reference in intent.references:
            key = (intent.repository, reference)
            doubt = replace(self._open.get(key, Doubt()), digest=intent.digest, until=math.inf)
            if reference == str(intent.reference):
                intents = (*doubt.intents, intent)
                if before not in {"", intent.digest, *doubt.kept}:
                    kept = before
                    doubt = replace(doubt, kept=doubt.kept | {before})
                doubt = replace(doubt, intents=intents)
            self._open[key] = doubt
        return kept

    def early(self, repository: Repository, answers: Mapping[str, Answer]) -> set[str]:
        """The references whose answers do not count yet. The questions have to be repeated."""
        return {ref for ref, answer in answers.items() if self._is_early((repository, ref), answer)}

    def end(self, repository: Repository, reference: str) -> Doubt:
        """Returns the doubt that has ended; one without content if there was none."""
        return self._open.pop((repository, reference), Doubt())

    def _is_early(self, key: _Key, answer: Answer) -> bool:
        doubt, now = self._open.get(key), asyncio.get_running_loop().time()
        if doubt is None or doubt.until <= now or isinstance(answer, Unreadable):
            return False
        if isinstance(answer, Found) and answer.digest == doubt.digest:
            return False
        self._open[key] = replace(doubt, until=min(doubt.until, now + self._settle))
        return True
