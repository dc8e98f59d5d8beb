"""Limits for new namespaces: objects of a template, created once and then left alone.

The template is a ConfigMap in the service's namespace. Its values are LimitRanges and
ResourceQuotas. The record of the controller is another ConfigMap there. A namespace is new if it
was created after the record. The record lists the uids of the namespaces that got limits, so that
limits which somebody deletes do not come back. When the record has become long, it forgets the
namespaces that do not exist any more.
"""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from app.cluster import manifests
from app.cluster.api import ConflictError, Content, KubeApi, NotFoundError
from app.cluster.informer import Informer, Key
from app.cluster.manifests import Manifest, ManifestError
from app.controllers.local_store import LocalStore
from app.controllers.metrics import ControllerMetrics, Progress
from app.controllers.queue import WorkQueue
from app.model.domain import ApiDomain
from app.model.limits import own_part_of_limit_range, own_part_of_quota
from app.policy.names import matches

logger = logging.getLogger("registry_admission.controllers")

CONTROLLER = "namespace-limits"
TEMPLATE = "registry-admission-namespace-limits"
"""The ConfigMap with the template."""
_RECORD = "registry-admission-limited-namespaces"
_UIDS = "uids"
_MANY = 1000
"""A record with fewer uids is not shortened."""
_LOOK_AGAIN = 60.0
"""Seconds until a missing template is looked for again."""
_PLURALS = {"LimitRange": "limitranges", "ResourceQuota": "resourcequotas"}


def template(objects: Iterable[Content], namespace: str) -> Content:
    """The ConfigMap with these objects. `namespace`: that of the service."""
    data = {}
    for content in objects:
        metadata = {key: one for key, one in content["metadata"].items() if key != "namespace"}
        name = f"{content['kind'].lower()}.yaml"
        data[name] = manifests.to_text({**content, "metadata": metadata})
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": TEMPLATE, "namespace": namespace},
        "data": data,
    }


class NamespaceLimits:
    """One controller for each time that this replica leads. It starts from the record."""

    def __init__(
        self,
        api: KubeApi,
        domain: ApiDomain,
        metrics: ControllerMetrics,
        *,
        namespace: str,
        selector: str,
        protected: Sequence[str],
        silence: float,
    ) -> None:
        """`namespace`: that of the service. `selector`: labels of the namespaces that get limits;
        "" for all. `protected`: patterns of namespaces that get none."""
        self._api = api
        self._domain = domain
        self._metrics = metrics
        self._protected = (*protected, namespace)
        self._config_maps = f"/api/v1/namespaces/{namespace}/configmaps"
        self._shorten_at = _MANY
        self._queue: WorkQueue[Key] = WorkQueue()
        self._namespaces: LocalStore[Content] = LocalStore(
            lambda content: content["metadata"], self._queue.add
        )
        self._informer = Informer(
            api,
            "/api/v1/namespaces",
            CONTROLLER,
            self._namespaces,
            silence=silence,
            select=selector,
        )

    async def run(self) -> None:
        """Work until cancelled; only the leader runs this."""
        self._metrics.progress = lambda: Progress(depth=self._queue.depth)
        self._metrics.state = "active"
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._informer.run())
                # One worker: all write the same record.
                tasks.create_task(self._queue.run(self.reconcile, workers=1))
        finally:
            self._metrics.state = "waiting"
            self._metrics.progress = Progress

    async def reconcile(self, key: Key) -> float | None:
        """Create the limits of the template in one namespace, if it is new and has none."""
        metadata = self._namespaces.get(key)
        if metadata is None or "deletionTimestamp" in metadata:
            return None
        name, uid = metadata["name"], metadata["uid"]
        record = await self._record()
        known = record["data"].get(_UIDS, "").split()
        is_old = metadata["creationTimestamp"] < record["metadata"]["creationTimestamp"]
        if is_old or uid in known or matches(name, self._protected):
            return None
        objects = await self._template()
        if objects is None:
            logger.warning("no template of limits", extra={"object": TEMPLATE})
            return _LOOK_AGAIN
        for content in objects:
            await self._create(name, content)
        uids = "\n".join([*await self._shortened(known), uid])
        await self._api.replace(f"{self._config_maps}/{_RECORD}", {**record, "data": {_UIDS: uids}})
        return None

    async def _shortened(self, uids: list[str]) -> list[str]:
        """The uids, without those of deleted namespaces if there are many.

        All namespaces are listed for that: the informer sees only those with the right labels.
        """
        if len(uids) < self._shorten_at:
            return uids
        existing = {item["metadata"]["uid"] async for item in self._api.items("/api/v1/namespaces")}
        kept = [each for each in uids if each in existing]
        self._shorten_at = max(_MANY, 2 * len(kept))
        return kept

    async def _record(self) -> Content:
        try:
            found = await self._api.get(f"{self._config_maps}/{_RECORD}")
        except NotFoundError:
            content: dict[str, Any] = {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": _RECORD},
                "data": {_UIDS: ""},
            }
            found = await self._api.create(self._config_maps, content)
        return {**found, "data": found.get("data") or {}}

    async def _template(self) -> list[Content] | None:
        """Raises ManifestError for a template that cannot be used."""
        try:
            found = await self._api.get(f"{self._config_maps}/{TEMPLATE}")
        except NotFoundError:
            return None
        return [
            _usable(manifest)
            for name, text in sorted((found.get("data") or {}).items())
            for manifest in manifests.read_text(text, Path(name))
        ]

    async def _create(self, namespace: str, content: Content) -> None:
        """Create one object, unless the namespace has limits for images of this kind already."""
        plural = _PLURALS[content["kind"]]
        path = f"/api/v1/namespaces/{namespace}/{plural}"
        async for present in self._api.items(path):
            if self._limits(content["kind"], present):
                self._metrics.results["present"] += 1
                return
        metadata = {**content["metadata"], "namespace": namespace}
        try:
            await self._api.create(path, {**content, "metadata": metadata})
        except ConflictError:
            self._metrics.results["present"] += 1
            return
        self._metrics.results["created"] += 1
        logger.info("limits created", extra={"namespace": namespace, "kind": content["kind"]})

    def _limits(self, kind: str, content: Content) -> bool:
        if kind == "LimitRange":
            return bool(own_part_of_limit_range(self._domain, content)["spec"]["limits"])
        return bool(own_part_of_quota(self._domain, content)["spec"]["hard"])


def _usable(manifest: Manifest) -> Content:
    if manifest.kind not in _PLURALS:
        kinds = " or ".join(_PLURALS)
        raise ManifestError(f"{TEMPLATE}: {manifest.path}: {manifest.kind} is not a {kinds}")
    return manifest.content
