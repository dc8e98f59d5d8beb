"""Decides claims, either with a ledger that is then written, or from an escrow without a write."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from app.model.domain import ApiDomain
from app.model.limits import NamespaceLimits
from app.policy import image_quota
from app.policy.enforcement import ENFORCED, Enforcement
from app.policy.verdict import Verdict
from app.quota import escrow
from app.quota.effective import EffectiveUsage
from app.quota.escrow import Holding
from app.quota.ledger import Ledger
from app.quota.members import Claims
from app.quota.usage import EarlierStreams, NamespaceUsage
from app.quota.view import Floor, Timing, View


@dataclass(frozen=True)
class Sight:
    """What a replica knows about a namespace at one moment, apart from its ledger."""

    usage: NamespaceUsage
    view: View
    now: float
    """By its own clock, in seconds since the epoch."""
    limits: NamespaceLimits
    timing: Timing
    domain: ApiDomain
    enforcement: Enforcement = ENFORCED

    @property
    def expiry(self) -> float:
        return self.now + self.timing.expiry

    def under(self, limits: NamespaceLimits) -> "Sight":
        """This view with the limits at the time of a request. They are mostly the same."""
        return self if limits is self.limits else replace(self, limits=limits)


def admit_from(holding: Holding, holder: str, claims: Claims, sight: Sight) -> bool:
    """Admit a request from an escrow. Returns False if the ledger must decide."""
    if not holding.ledger.covered_by(sight.view, sight.timing):
        return False
    if not holding.admits(claims, sight.limits, sight.now):
        return False
    if holding.has_admitted(holder, claims):
        return False  # The ledger must name both requests, or they would look like one.
    if not (holding.has_ample_streams(claims, sight.usage) or _fits(holding, claims, sight)):
        return False
    holding.admit(holder, claims, sight.usage, sight.expiry)
    return True


def _fits(holding: Holding, claims: Claims, sight: Sight) -> bool:
    """Whether the streams of a request have room for it, as far as this replica knows."""
    of_streams = replace(sight.limits, quotas=())
    effective = holding.effective(sight.usage, claims.adds.touched_streams)
    verdict = image_quota.check(claims, effective.assess(claims), of_streams, sight.domain)
    return verdict.allowed


def begin(ledger: Ledger, holding: Holding | None, sight: Sight) -> EffectiveUsage:
    """Begin a write of the ledger: first name the requests that were admitted from `holding`.

    Returns the effective usage.
    """
    if holding is not None:
        escrow.give_back(ledger, holding, sight.now)
    ledger.begin(sight.usage, sight.view, sight.now)
    return ledger.effective(sight.usage)


def decide_on(
    ledger: Ledger,
    effective: EffectiveUsage,
    holder: str,
    claims: Claims,
    sight: Sight,
    *,
    reserve: bool = True,
    exemption: str = "",
) -> Verdict:
    """Decide one request on the effective usage, and reserve its members if it is allowed.

    Stored members are reserved as well: they may be deleted before the request is stored, or may be
    deleted already without this replica having seen it.
    """
    verdict = Verdict()
    if not ledger.holds(holder, claims):
        verdict = _check(effective, claims, sight, exemption)
    if verdict.allowed and reserve:
        ledger.reserve(holder, claims, sight.usage, sight.expiry)
        effective.add(claims.adds, claims.removes)
    return verdict


class Asked(Protocol):
    """A request that waits for a decision on a ledger."""

    claims: Claims
    limits: NamespaceLimits
    holder: str
    reserve: bool
    exemption: str


def decide_all(
    ledger: Ledger, holding: Holding | None, asked: Sequence[Asked], sight: Sight
) -> list[Verdict | None]:
    """Decide requests one after another, and enter the allowed ones into the ledger.

    Returns None for a request that would be allowed without the escrows: no refusal rests on an
    escrow.
    """
    effective = begin(ledger, holding, sight)
    verdicts: list[Verdict | None] = []
    for one in asked:
        own = sight.under(one.limits)
        verdict = decide_on(
            ledger,
            effective,
            one.holder,
            one.claims,
            own,
            reserve=one.reserve,
            exemption=one.exemption,
        )
        verdicts.append(verdict)
    if not ledger.escrows or all(verdict and verdict.allowed for verdict in verdicts):
        return verdicts
    free = ledger.effective(sight.usage, with_escrows=False)
    for index, one in enumerate(asked):
        found, own = verdicts[index], sight.under(one.limits)
        refused = found is not None and not found.allowed
        if refused and _check(free, one.claims, own, one.exemption).allowed:
            verdicts[index] = None
    return verdicts


def _check(effective: EffectiveUsage, claims: Claims, sight: Sight, exemption: str) -> Verdict:
    assessment = effective.assess(claims)
    found = image_quota.check(claims, assessment, sight.limits, sight.domain)
    return sight.enforcement.applied(found, exemption)


def take_escrow(ledger: Ledger, key: str, places: int, life: float, sight: Sight) -> Holding:
    """Enter an escrow of `life` seconds into a ledger whose next write has begun."""
    taken = escrow.take(ledger, key, places, sight.now + life, sight.timing)
    # The places rest on this view, which may be newer than the one that the write began with.
    ledger.floor = Floor(sight.view.position, sight.now)
    limited = sight.limits.stream_images or sight.limits.stream_tags
    earlier = sight.usage.remember() if limited else EarlierStreams()
    return Holding(taken, sight.limits, ledger.copy(), earlier=earlier)
