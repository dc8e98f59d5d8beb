"""Refusals of the last hours. Equal refusals are counted in one record."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from app.admission.review import AdmissionRequest, Outcome
from app.model.domain import ApiDomain
from app.page.commands import command
from app.policy.verdict import Verdict, Violation, shortened
from app.registry.names import Repository

WINDOW = 6 * 3600.0
"""Seconds for which a refusal is kept."""
CAPACITY = 500
"""The number of different refusals that are kept."""
MAX_MESSAGE = 1000
_FORBIDDEN = 403
_MAX_NAME = 255
_MAX_FINDINGS = 3


@dataclass(frozen=True)
class Finding:
    """One reason for a refusal, and the next step."""

    reason: str
    message: str
    next_step: str
    command: str = ""
    """The command that sets the limit which would have allowed the push; "" if no limit would."""

    @classmethod
    def of(cls, violation: Violation) -> "Finding":
        return cls(
            violation.reason,
            shortened(violation.message, MAX_MESSAGE),
            violation.next_step,
            command(violation.remedy) if violation.remedy else "",
        )


@dataclass(frozen=True)
class Refusal:
    """Equal refusals of one stream. The message is that of the last one.

    Times are seconds since the epoch.
    """

    namespace: str
    stream: str
    reasons: tuple[str, ...]
    message: str
    first: float
    last: float
    count: int = 1
    enforced: bool = True
    """False for pushes that were allowed because their limit is not enforced."""
    user: str = ""
    """The user of the last push; "" if not known."""
    findings: tuple[Finding, ...] = ()
    """The first reasons with their details."""

    @property
    def key(self) -> tuple[str, str, tuple[str, ...], bool]:
        return self.namespace, self.stream, self.reasons, self.enforced

    def joined(self, other: "Refusal") -> "Refusal":
        """One record for two records of equal refusals."""
        latest = max(self, other, key=lambda refusal: refusal.last)
        first = min(self.first, other.first)
        return replace(latest, first=first, count=self.count + other.count)


class Refusals:
    """The refusals of this replica, and those of the others if `follow` was called."""

    def __init__(self, domain: ApiDomain, clock: Callable[[], float] = time.time) -> None:
        self._domain = domain
        self._clock = clock
        self._own: OrderedDict[tuple[str, str, tuple[str, ...], bool], Refusal] = OrderedDict()
        self._others: Mapping[str, Iterable[Refusal]] | None = None
        self.since = clock()
        self.changes = 0
        """The number of refusals since the start."""

    def review(self, request: AdmissionRequest, outcome: Outcome) -> None:
        """Note a refused review. Reviews that concern no stream are left out."""
        stream = request.name.partition(":")[0]
        refused = outcome.code == _FORBIDDEN
        if not (refused or outcome.would_be_refused) or request.dry_run:
            return
        if stream and request.namespace and request.kind.group == self._domain.image_group:
            self._note(
                request.namespace, stream, outcome.reasons, outcome.message, refused,
                request.user_info.username, outcome.violations,
            )  # fmt: skip

    def push(self, repository: Repository, verdict: Verdict, user: str = "") -> None:
        """Note a push check that was refused, or would be if its limits were enforced."""
        reasons, text = verdict.reasons, verdict.explanation
        found = verdict.violations or verdict.tolerated
        if verdict.allowed:
            reasons = tuple(dict.fromkeys(found.reason for found in verdict.tolerated))
            text = verdict.would_refuse
        refused = not verdict.allowed
        self._note(repository.namespace, repository.stream, reasons, text, refused, user, found)

    def follow(self, others: Mapping[str, Iterable[Refusal]]) -> None:
        """Show the refusals of other replicas as well. `others` is read for each list."""
        self._others = others

    @property
    def has_forgotten(self) -> bool:
        """Whether refusals from before this process started may be missing."""
        return self._others is None and self.since > self._clock() - WINDOW

    def own(self) -> list[Refusal]:
        """The refusals of this replica, latest first."""
        while self._own and not self.lasting(next(iter(self._own.values()))):
            self._own.popitem(last=False)
        return list(reversed(self._own.values()))

    def recent(self) -> list[Refusal]:
        """The refusals of all replicas, latest first."""
        found = {refusal.key: refusal for refusal in self.own()}
        for refusals in (self._others or {}).values():
            for refusal in refusals:
                if self.lasting(refusal):
                    known = found.get(refusal.key)
                    found[refusal.key] = known.joined(refusal) if known else refusal
        return sorted(found.values(), key=lambda refusal: -refusal.last)

    def of(self, namespace: str, stream: str | None = None) -> list[Refusal]:
        """The refusals of a namespace, or of one of its streams, latest first."""
        return [
            refusal
            for refusal in self.recent()
            if refusal.namespace == namespace and stream in (None, refusal.stream)
        ]

    def lasting(self, refusal: Refusal) -> bool:
        """Whether a refusal is young enough to be shown."""
        return refusal.last >= self._clock() - WINDOW

    def _note(
        self,
        namespace: str,
        stream: str,
        reasons: tuple[str, ...],
        message: str,
        enforced: bool,
        user: str,
        violations: Sequence[Violation],
    ) -> None:
        message = shortened(message, MAX_MESSAGE)
        findings = tuple(map(Finding.of, violations[:_MAX_FINDINGS]))
        now = self._clock()
        names = namespace[:_MAX_NAME], stream[:_MAX_NAME]
        new = Refusal(
            *names, reasons, message, now, now,
            enforced=enforced, user=user[:_MAX_NAME], findings=findings,
        )  # fmt: skip
        known = self._own.pop(new.key, None)
        self._own[new.key] = known.joined(new) if known else new
        if len(self._own) > CAPACITY:
            self._own.popitem(last=False)
        self.changes += 1
