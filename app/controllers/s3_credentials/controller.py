"""Keeps the user's storage credentials in the registry's private configuration."""

import logging
from collections.abc import Mapping

from app.cluster.api import KubeApi, NotFoundError
from app.cluster.informer import Informer, Key, Store
from app.controllers.config import Condition, ConfigStatus, ConfigWatch
from app.controllers.leader_term import LeaderTerm
from app.controllers.local_store import LocalStore
from app.controllers.metrics import ControllerMetrics, Progress
from app.controllers.ownership import management_state
from app.controllers.queue import WorkQueue
from app.controllers.s3_credentials.decision import (
    MANAGER,
    TARGET,
    Merge,
    PrivateConfiguration,
    claim_on,
    decide,
)
from app.model.credentials import SECRET
from app.model.domain import ApiDomain

logger = logging.getLogger("registry_admission.controllers")

CONTROLLER = "s3-credentials"
CONDITION = "S3CredentialsMerged"
_KEY = TARGET
_LOOK_AGAIN = 30.0
"""Seconds until a condition that could not be written is written again."""


class S3CredentialController:
    """One controller for each time that this replica leads. Our field manager tells which keys are
    ours."""

    def __init__(
        self,
        api: KubeApi,
        domain: ApiDomain,
        watch: ConfigWatch,
        status: ConfigStatus,
        metrics: ControllerMetrics,
        *,
        namespace: str,
        silence: float,
    ) -> None:
        """`namespace` is the registry's."""
        self._api = api
        self._watch = watch
        self._status = status
        self._metrics = metrics
        self._namespace = namespace
        self._path = f"/api/v1/namespaces/{namespace}/secrets"
        self._queue: WorkQueue[str] = WorkQueue()
        self._user: LocalStore[Mapping[str, str]] = LocalStore(
            lambda content: content.get("data") or {}, self._changed
        )
        self._target: LocalStore[PrivateConfiguration] = LocalStore(
            lambda content: PrivateConfiguration.of(content, domain.operator_group), self._changed
        )
        stores: dict[str, Store] = {SECRET: self._user, TARGET: self._target}
        informers = [
            Informer(api, self._path, f"secret {name}", store, silence=silence, only=name)
            for name, store in stores.items()
        ]
        self._term = LeaderTerm(watch, informers, metrics)

    async def run(self) -> None:
        """Work until cancelled."""
        await self._term.run(
            self._work,
            config_changed=lambda: self._queue.add(_KEY),
            progress=lambda: Progress(depth=self._queue.depth),
        )

    async def _work(self) -> None:
        self._queue.add(_KEY)
        await self._queue.run(self._reconcile, workers=1)

    def _changed(self, _key: Key) -> None:
        self._queue.add(_KEY)

    async def _reconcile(self, _key: str) -> float:
        await self._term.trusted()
        user = self._user.get((self._namespace, SECRET))
        target = self._target.get((self._namespace, TARGET))
        merge = decide(self._watch.config, user, target, self._namespace)
        claim = self._watch.claim(CONTROLLER) or claim_on(target, user or {})
        found = management_state(claim, {}, {})
        self._metrics.state = "off" if found.off else "active"
        condition = Condition.of(CONDITION, CONTROLLER, found)
        if merge.problem and not found.off:
            condition = Condition(CONDITION, False, "CredentialsInvalid", merge.problem)
        await self._status.tell(condition, self._watch)
        if merge.keys is None or found.off:
            return _LOOK_AGAIN
        try:
            await self._write(merge, merge.keys)
        except Exception:
            self._metrics.results["error"] += 1
            raise
        return _LOOK_AGAIN

    async def _write(self, merge: Merge, keys: Mapping[str, str]) -> None:
        path = f"{self._path}/{TARGET}"
        if merge.delete:
            try:
                preconditions = {"resourceVersion": merge.delete}
                await self._api.delete(path, {"preconditions": preconditions})
            except NotFoundError:
                return
            self._metrics.results["deleted"] += 1
        else:
            content = {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": TARGET},
                "data": dict(keys),
            }
            self._target.wrote(await self._api.apply(path, content, MANAGER))
            self._metrics.results["merged" if keys else "removed"] += 1
        logger.info("credentials merged", extra={"keys": sorted(keys)})
