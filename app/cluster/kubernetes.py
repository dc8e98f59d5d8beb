"""The state of a cluster, from informers for limits and for usage."""

import asyncio
import contextlib
import time
from collections.abc import Callable

from app.cluster.api import KubeApi
from app.cluster.heartbeat import Heartbeat
from app.cluster.image_claims import ImageClaims
from app.cluster.informer import Informer, Store
from app.cluster.stores import Changed, LimitObjects, Namespaces, Streams, WatchedConfig
from app.cluster.unreadable import Noticed, UnreadableObjects, nobody
from app.model.domain import ApiDomain
from app.model.image import ImageClaim, StoredImage
from app.model.limits import NamespaceLimits
from app.quota.usage import NamespaceUsage
from app.quota.view import Timing, View


class KubernetesState:
    """Limits and usage of a cluster, not older than `timing.lag`."""

    def __init__(
        self,
        api: KubeApi,
        domain: ApiDomain,
        *,
        namespace: str,
        timing: Timing,
        silence: float,
        clock: Callable[[], float] = time.time,
        noticed: Noticed = nobody,
    ) -> None:
        """`noticed` is called for each object that cannot be read."""
        self._api = api
        self._domain = domain
        self._clock = clock
        self._max_lag = timing.lag
        self._max_error = timing.skew / 2
        self._listeners: list[Changed] = []
        self._heartbeat = Heartbeat(
            api,
            group=domain.image_group,
            namespace=namespace,
            max_error=self._max_error,
            clock=clock,
            late=self._reopen,
            late_after=timing.lag / 2,
        )
        self._streams = Streams(
            self._heartbeat,
            self._notify,
            UnreadableObjects(f"{domain.image_group}/v1", "ImageStream", noticed),
        )
        self._limits = LimitObjects(domain, self._notify, noticed)
        self.quotas = self._limits.quotas
        self.namespaces = Namespaces(self._notify)
        self._config = WatchedConfig(
            UnreadableObjects(
                f"{domain.operator_group}/v1",
                "Config",
                noticed,
                consequence="the registry keeps the host names that it had before",
            )
        )
        self._stored_images = ImageClaims(api, domain)

        def informer(path: str, name: str, store: Store, *, optional: bool = False) -> Informer:
            return Informer(api, path, name, store, silence=silence, clock=clock, optional=optional)

        streams_path = f"/apis/{domain.image_group}/v1/imagestreams"
        self._images = informer(streams_path, f"imagestreams.{domain.image_group}", self._streams)
        configs_path = f"/apis/{domain.operator_group}/v1/configs"
        configs = f"configs.{domain.operator_group}"
        self._informers = [
            informer("/api/v1/namespaces", "namespaces", self.namespaces),
            informer("/api/v1/limitranges", "limitranges", self._limits.limit_ranges),
            informer("/api/v1/resourcequotas", "resourcequotas", self.quotas),
            self._images,
            informer(configs_path, configs, self._config, optional=True),
        ]

    def on_change(self, listener: Changed) -> None:
        """Call a listener for each namespace whose usage or limits change."""
        self._listeners.append(listener)

    def problems(self) -> list[str]:
        found = [problem for problem in (i.problem() for i in self._informers) if problem]
        return found or self._clock_problems() or self._age_problems()

    def unready(self) -> list[str]:
        """Why requests should go to another replica; empty if no other replica would know more.

        While the Image API is down, no replica sees ImageStreams. Then every replica stays ready
        for reviews that need none.
        """
        known = self._images.synced.is_set() and self._heartbeat.unanswered
        informers = [one for one in self._informers if not (known and one is self._images)]
        found = [problem for problem in (one.problem() for one in informers) if problem]
        return found or self._clock_problems() or ([] if known else self._age_problems())

    def view(self) -> View:
        return View(self._images.position, self._heartbeat.seen_at)

    def occupied(self) -> set[str]:
        """Every namespace that has a limit or an ImageStream."""
        return {*self._limits, *self._streams.usage}

    def limits(self, namespace: str) -> NamespaceLimits:
        """Raises StateUnavailableError for a namespace whose limits cannot be read."""
        self._limits.limit_ranges.unreadable.require_none(namespace)
        self.quotas.unreadable.require_none(namespace)
        return self._limits[namespace]

    def limited_namespaces(self) -> list[str]:
        return list(self._limits)

    def usage(self, namespace: str) -> NamespaceUsage:
        """Raises StateUnavailableError for a namespace whose ImageStreams cannot be read."""
        self._streams.unreadable.require_none(namespace)
        return self._streams.usage[namespace]

    def registry_hosts(self) -> frozenset[str]:
        """The host names of the internal registry in Config/cluster."""
        return self._config.hosts

    def registry_claim(self) -> str:
        """The PersistentVolumeClaim that holds the registry's images; "" if there is none."""
        return self._config.claim

    def holds_images(self) -> bool:
        return self._streams.usage.holds_images or len(self._streams.unreadable) > 0

    def unreadable(self) -> dict[str, int]:
        """The number of objects that cannot be read, by kind."""
        found = (
            self._limits.limit_ranges.unreadable,
            self.quotas.unreadable,
            self._streams.unreadable,
            self._config.unreadable,
        )
        return {objects.kind: len(objects) for objects in found}

    async def image(self, digest: str) -> ImageClaim | None:
        return await self._stored_images.of(digest)

    async def stored_image(self, digest: str) -> StoredImage | None:
        """What an Image keeps in storage. Raises ApiError."""
        return await self._stored_images.stored(digest)

    async def run(self) -> None:
        """Keep the state up to date until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for informer in self._informers:
                tasks.create_task(informer.run(), name=f"informer {informer.name}")
            tasks.create_task(self._heartbeat.run(), name="heartbeat")

    async def synced(self, within: float) -> bool:
        """Wait until everything is listed; False after `within` seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                for informer in self._informers:
                    await informer.synced.wait()
                return True
        return False

    def _reopen(self) -> None:
        """Open all watches again: their connections share one path to the API server."""
        for informer in self._informers:
            informer.reopen()

    def _clock_problems(self) -> list[str]:
        clock = self._api.clock
        if clock.error <= self._max_error:
            return []
        return [
            f"clock is up to {clock.error:.1f} s {'behind' if clock.behind else 'ahead of'} the "
            f"API server (limit: {self._max_error:g} s)"
        ]

    def _age_problems(self) -> list[str]:
        name = f"imagestreams.{self._domain.image_group}"
        if self._heartbeat.seen_at == 0.0:
            return [f"{name}: no heartbeat seen yet"]
        age = self._clock() - self._heartbeat.seen_at
        if age > self._max_lag:
            return [f"{name}: the watch is {age:.0f} s behind (limit: {self._max_lag:g} s)"]
        return []

    def _notify(self, namespace: str) -> None:
        for listener in self._listeners:
            listener(namespace)
