"""Requests that wait until a ledger decides them."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from app.model.limits import NamespaceLimits
from app.policy.verdict import Verdict
from app.quota.members import Claims
from app.quota.state import StateUnavailableError


@dataclass
class Waiting:
    claims: Claims
    limits: NamespaceLimits
    holder: str
    reserve: bool
    in_escrow: bool
    """Whether the request may be admitted from an escrow."""
    exemption: str
    recalled_at: float | None = None
    """When escrows were first recalled for the request, in the event loop's time."""
    answer: asyncio.Future[Verdict] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


def give_up(waiting: Waiting, after: float) -> None:
    """Answer with StateUnavailableError after that number of seconds."""
    namespace = waiting.claims.namespace
    problem = f"the quota of namespace {namespace} was not decided in {after:g} s"
    fail([waiting], StateUnavailableError(problem))


def fail(batch: list[Waiting], error: Exception) -> None:
    for waiting in batch:
        if not waiting.answer.done():
            waiting.answer.set_exception(error)


def answer(batch: Sequence[Waiting], verdicts: Sequence[Verdict | None]) -> list[Waiting]:
    """Answer the requests that have a verdict. Returns those without an answer."""
    for waiting, verdict in zip(batch, verdicts, strict=True):
        if verdict is not None and not waiting.answer.done():
            waiting.answer.set_result(verdict)
    return [waiting for waiting in batch if not waiting.answer.done()]
