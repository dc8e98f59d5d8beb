"""Brings every ServiceAccount and its pull secret to the state that Config/cluster wants."""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus

from app.cluster.api import ApiError, ConflictError, KubeApi
from app.cluster.informer import Key
from app.controllers.config import Condition, ConfigStatus, ConfigWatch
from app.controllers.leader_term import LeaderTerm
from app.controllers.metrics import ControllerMetrics, Progress
from app.controllers.ownership import Claim, ManagementState, management_state
from app.controllers.pull_secrets.decision import (
    RESTORING,
    Policy,
    Step,
    mark_of,
    refresh_at,
)
from app.controllers.pull_secrets.objects import Account, Marks, PullSecret
from app.controllers.pull_secrets.scope import Scope, scope_of
from app.controllers.pull_secrets.state import PullSecretState
from app.controllers.pull_secrets.writes import PullSecretWrites, TakenError
from app.controllers.queue import WorkQueue
from app.controllers.rate import PATIENCE, RateLimiter, RepairBackoff
from app.model.domain import ApiDomain
from app.model.registry import ServedConfig

logger = logging.getLogger("registry_admission.controllers")

CONTROLLER = "pull-secrets"
CONDITION = "PullSecretsManaged"

_WORKERS = 8
_MAX_STEPS = 4
"""Writes for one object in a row. An object that needs more is looked at again later."""
_JUDGE = 1.0
"""Seconds during which changes of ownership are handled together."""
_JUDGE_AGAIN = 30.0
"""Seconds until a condition that could not be written is written again."""
_TAKEN = 60.0
"""Seconds until a name that another Secret has is tried again."""
_TERMINATED = "being terminated"
"""Part of the API server's message for a namespace that is being deleted."""
_UNSEEN = 2.0
"""Seconds to wait until the watch shows a change."""


@dataclass(frozen=True)
class Options:
    """The settings of the controller."""

    policy: Policy
    rate: float
    """Requests per second to the API server."""
    silence: float
    internal_hosts: Collection[str]
    system_namespaces: Sequence[str]
    rivals: Sequence[str]
    """Patterns of field managers that are other controllers of pull secrets."""

    def scope(self, config: ServedConfig | None) -> Scope:
        return scope_of(
            config,
            internal_hosts=self.internal_hosts,
            system_namespaces=self.system_namespaces,
        )


class PullSecretController:
    """One controller for each time that this replica leads. It starts from what is stored."""

    def __init__(
        self,
        api: KubeApi,
        domain: ApiDomain,
        watch: ConfigWatch,
        status: ConfigStatus,
        options: Options,
        metrics: ControllerMetrics,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """The error of `clock` must be smaller than the rest of a token's life at its refresh."""
        self._watch = watch
        self._status = status
        self._options = options
        self._metrics = metrics
        self._clock = clock
        marks = Marks.of(domain)
        self._writes = PullSecretWrites(api, marks, RateLimiter(options.rate, round(options.rate)))
        self._queue: WorkQueue[Key] = WorkQueue()
        self._repairs = RepairBackoff()
        self._management_state = ManagementState()
        self._judged = asyncio.Event()
        self._state = PullSecretState(
            api,
            marks,
            options.policy,
            rivals=options.rivals,
            silence=options.silence,
            changed=self._changed,
        )
        self._term = LeaderTerm(watch, self._state.informers, metrics)

    async def run(self) -> None:
        """Work until cancelled."""
        await self._term.run(
            self._work, config_changed=self._config_changed, progress=self._progress
        )

    async def _work(self) -> None:
        self._config_changed()
        await self._judge()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_judging())
            tasks.create_task(self._queue.run(self._reconcile, _WORKERS))

    def _config_changed(self) -> None:
        scope = self._options.scope(self._watch.config)
        if scope != self._state.scope:
            logger.info("scope", extra={"controller": CONTROLLER, "hosts": list(scope.hosts)})
            self._state.scope = scope
            self._look_at_all()
        self._judged.set()

    def _changed(self, key: Key) -> None:
        self._queue.add(key)
        self._judged.set()

    def _look_at_all(self) -> None:
        for key in self._state.known():
            self._queue.add(key)

    async def _keep_judging(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_JUDGE_AGAIN):
                    await self._judged.wait()
            await asyncio.sleep(_JUDGE)
            await self._judge()

    async def _judge(self) -> None:
        """Decide whether there is another owner. The previous one may be gone."""
        self._judged.clear()
        claims, in_scope = self._state.claims()
        found = management_state(self._watch.claim(CONTROLLER), claims, in_scope)
        self._metrics.state = "off" if found.off else "active"
        if found != self._management_state:
            logger.warning("ownership", extra={"controller": CONTROLLER, "off": found.off,
                                               "apart": found.apart})  # fmt: skip
        came_back = self._management_state.off and not found.off
        self._management_state = found
        if came_back:
            self._look_at_all()
        await self._status.tell(Condition.of(CONDITION, CONTROLLER, found), self._watch)

    async def _reconcile(self, key: Key) -> float | None:
        if self._management_state.off:
            return None
        await self._term.trusted()
        try:
            wait = await self._steps(key)
        except TakenError:
            self._metrics.results["taken"] += 1
            title = f"Secret {key[0]}/{key[1]}"
            self._state.taken[key] = Claim(title, "name that we need, and is not ours")
            self._judged.set()
            return _TAKEN
        except ConflictError:
            # Another writer was first. The watch shows what it wrote.
            self._metrics.results["conflict"] += 1
            return _UNSEEN
        except ApiError as error:
            if error.status == HTTPStatus.FORBIDDEN and _TERMINATED in str(error):
                self._metrics.results["terminating"] += 1
                return _TAKEN
            self._metrics.results["error"] += 1
            raise
        if self._state.taken.pop(key, None):
            self._judged.set()
        return wait if wait else self._until_refresh(key)

    async def _steps(self, key: Key) -> float:
        """Take the steps that are due. Returns the seconds until the next look, 0 if none is
        needed."""
        restored = False
        for _ in range(_MAX_STEPS):
            step = self._next_step(key)
            if step is None:
                return 0.0
            restores = step in RESTORING and not restored
            wait = self._repairs.wait(key) if restores else 0.0
            if wait:
                return wait
            if not await self._take(step, key):
                return 0.0
            if restores:
                restored = True
                self._note_repair(key)
        return _UNSEEN

    async def _take(self, step: Step, key: Key) -> bool:
        """Write. Returns whether more may be decided before the watch shows the write."""
        account, secret = self._state.accounts.get(key), self._state.secrets.get(key)
        if step is Step.DELETE:
            if secret is not None:
                await self._writes.delete(*key, secret)
        elif account is not None:
            await self._write(step, key, account, secret)
        self._metrics.results[step.value] += 1
        return step is not Step.DELETE

    async def _write(
        self, step: Step, key: Key, account: Account, secret: PullSecret | None
    ) -> None:
        others = tuple(name for name in account.pull_secrets if name != key[1])
        if step is Step.INJECT:
            answer = await self._writes.set_pull_secrets(account, (*account.pull_secrets, key[1]))
            self._state.accounts.wrote(answer)
            return
        if step is Step.EJECT:
            self._state.accounts.wrote(await self._writes.set_pull_secrets(account, others))
            return
        if secret is None:
            created = await self._writes.create(account)
            self._state.secrets.wrote(created)
            uid = created["metadata"]["uid"]
        else:
            uid = secret.uid
        life = self._options.policy.life
        self._state.secrets.wrote(
            await self._writes.renew(account, uid, self._state.scope.hosts, life)
        )

    def _next_step(self, key: Key) -> Step | None:
        if not self._state.knows(key):
            self._repairs.forget(key)
            self._state.taken.pop(key, None)
        return self._state.next_step(key, self._clock())

    def _note_repair(self, key: Key) -> None:
        if self._repairs.note(key) > PATIENCE:
            logger.warning(
                "changed back again and again, repaired ever more rarely",
                extra={"controller": CONTROLLER, "namespace": key[0], "secret": key[1]},
            )

    def _until_refresh(self, key: Key) -> float | None:
        account, secret = self._state.accounts.get(key), self._state.secrets.get(key)
        if account is None or secret is None or not self._state.scope.covers(key[0]):
            return None
        if mark_of(account, secret):
            return None
        return max(1.0, refresh_at(self._options.policy, secret) - self._clock())

    def _progress(self) -> Progress:
        return self._state.progress(self._queue.depth, self._clock())
