"""Decides the next step for one ServiceAccount and its pull secret."""

from dataclasses import dataclass
from enum import Enum

from app.controllers.pull_secrets.objects import Account, PullSecret, secret_name
from app.controllers.pull_secrets.scope import Scope

_SPREAD = 0.2
"""The share of the time until the refresh over which refreshes are spread."""


class Step(Enum):
    """One or two writes, after which the state is looked at again."""

    CREATE = "created"
    REPAIR = "repaired"
    """Make a new token, because the Secret was changed."""
    REWRITE = "rewritten"
    """Make a new token, because the hosts have changed."""
    REFRESH = "refreshed"
    """Make a new token, because the old one will expire."""
    INJECT = "injected"
    EJECT = "ejected"
    DELETE = "deleted"


RESTORING = frozenset({Step.CREATE, Step.REPAIR, Step.INJECT})
"""Steps that are also needed when something else has undone our write."""


@dataclass(frozen=True)
class Policy:
    life: float
    """The requested life of a token, in seconds."""
    refresh: float
    """The share of a token's life after which it is refreshed at the latest."""


def next_step(
    scope: Scope, policy: Policy, account: Account | None, secret: PullSecret | None, now: float
) -> Step | None:
    """The next step; None if nothing is to be done, or if the object belongs to another owner.

    Our own objects are removed even if another owner claims them.
    """
    if account is None or not scope.covers(account.namespace):
        if account is not None and _is_injected(account):
            return Step.EJECT
        return Step.DELETE if secret is not None else None
    if mark_of(account, secret):
        return None
    if secret is None:
        return Step.CREATE
    if secret.owner != account.uid or not secret.writable:
        # The token of a deleted ServiceAccount is not valid any more.
        return Step.DELETE
    renewal = _renewal(scope, policy, secret, now)
    if renewal is not None:
        return renewal
    return None if _is_injected(account) else Step.INJECT


def mark_of(account: Account, secret: PullSecret | None) -> str:
    """The mark of another owner on the ServiceAccount or its pull secret."""
    if account.mark or secret is None or not secret.mark:
        return account.mark
    return f"{secret.mark} on its pull secret"


def refresh_at(policy: Policy, secret: PullSecret) -> float:
    """When a token is due to be refreshed, in seconds since the epoch."""
    life = min(policy.life, secret.expires - secret.issued)
    return secret.issued + life * policy.refresh * (1 - _SPREAD * secret.spread)


def _renewal(scope: Scope, policy: Policy, secret: PullSecret, now: float) -> Step | None:
    if not secret.intact:
        return Step.REPAIR
    if secret.hosts != scope.hosts:
        return Step.REWRITE
    return Step.REFRESH if now >= refresh_at(policy, secret) else None


def _is_injected(account: Account) -> bool:
    return secret_name(account.namespace, account.name) in account.pull_secrets
