"""The stores that informers fill: small objects as they are, ImageStreams as usage."""

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Generic, TypeVar

from pydantic import ValidationError

from app.cluster import unreadable
from app.cluster.api import Content
from app.cluster.heartbeat import Heartbeat
from app.cluster.informer import Key
from app.cluster.unreadable import Noticed, UnreadableObjects
from app.model.base import KubeObject
from app.model.domain import ApiDomain
from app.model.limits import (
    NO_LIMITS,
    LimitRange,
    NamespaceLimits,
    ResourceQuota,
    namespace_limits,
    own_part_of_limit_range,
    own_part_of_quota,
)
from app.model.registry import Config, ServedConfig
from app.model.stream import CountedStream
from app.quota.push_times import PushTimes
from app.quota.usage import StreamUsage, UsageIndex

Model = TypeVar("Model", bound=KubeObject)
_CONFIG = "cluster"
Changed = Callable[[str], None]
"""Called with the namespace of each change."""


class Objects(Generic[Model]):
    """Objects of one small kind, by namespace and name."""

    def __init__(
        self,
        model: type[Model],
        changed: Changed,
        unreadable: UnreadableObjects,
        part: Callable[[Content], Content],
    ) -> None:
        """Only a `part` of each object is read. `unreadable` keeps those that cannot be read."""
        self._model = model
        self._changed = changed
        self._part = part
        self.unreadable = unreadable
        self._objects: dict[str, dict[str, Model]] = {}

    def in_namespace(self, namespace: str) -> list[Model]:
        return list(self._objects.get(namespace, {}).values())

    def namespaces(self) -> list[str]:
        return list(self._objects)

    def put(self, key: Key, content: Content) -> None:
        namespace, name = key
        found = self.unreadable.read(self._model, key, self._part(content))
        if found is None:
            self._drop(key)
        else:
            self._objects.setdefault(namespace, {})[name] = found
        self._changed(namespace)

    def remove(self, key: Key) -> None:
        self.unreadable.forget(key)
        self._drop(key)
        self._changed(key[0])

    def _drop(self, key: Key) -> None:
        namespace, name = key
        objects = self._objects.get(namespace, {})
        objects.pop(name, None)
        if not objects:
            self._objects.pop(namespace, None)

    def retain(self, keys: set[Key]) -> None:
        self.unreadable.retain(keys)
        known = {(namespace, name) for namespace, names in self._objects.items() for name in names}
        for key in known - keys:
            self.remove(key)


class LimitObjects:
    """LimitRanges and ResourceQuotas, and the resulting limits of each namespace."""

    def __init__(
        self, domain: ApiDomain, changed: Changed, noticed: Noticed = unreadable.nobody
    ) -> None:
        """`noticed` is called for each object that cannot be read."""
        self._domain = domain
        self._changed = changed
        self._limits: dict[str, NamespaceLimits] = {}
        self._stale: set[str] = set()
        """Namespaces that changed since their limits were added up: a list of many objects of one
        namespace is added up once, when somebody asks."""
        self.limit_ranges = Objects(
            LimitRange,
            self._note,
            UnreadableObjects("v1", "LimitRange", noticed),
            partial(own_part_of_limit_range, domain),
        )
        self.quotas = Objects(
            ResourceQuota,
            self._note,
            UnreadableObjects("v1", "ResourceQuota", noticed),
            partial(own_part_of_quota, domain),
        )

    def __getitem__(self, namespace: str) -> NamespaceLimits:
        if namespace in self._stale:
            self._add_up(namespace)
        return self._limits.get(namespace, NO_LIMITS)

    def __iter__(self) -> Iterator[str]:
        """The namespaces with a limit of this service."""
        for namespace in tuple(self._stale):
            self._add_up(namespace)
        return iter(self._limits)

    def _note(self, namespace: str) -> None:
        self._stale.add(namespace)
        self._changed(namespace)

    def _add_up(self, namespace: str) -> None:
        self._stale.discard(namespace)
        limits = namespace_limits(
            self._domain,
            self.limit_ranges.in_namespace(namespace),
            self.quotas.in_namespace(namespace),
        )
        if limits == NO_LIMITS:
            self._limits.pop(namespace, None)
        else:
            self._limits[namespace] = limits


class Streams:
    """The usage index, fed by ImageStreams. Heartbeats are taken out.

    `times`, if given, are fed as well.
    """

    def __init__(
        self,
        heartbeat: Heartbeat,
        changed: Changed,
        unreadable: UnreadableObjects,
        times: PushTimes | None = None,
    ) -> None:
        self.usage = UsageIndex()
        self.unreadable = unreadable
        self._heartbeat = heartbeat
        self._changed = changed
        self._times = times

    def put(self, key: Key, content: Content) -> None:
        if self._heartbeat.is_heartbeat(*key):
            self._heartbeat.see(content)
            return
        stream = self.unreadable.read(CountedStream, key, content)
        if stream is None:
            self._drop(key)
        else:
            usage = StreamUsage.of(stream)
            self.usage.put(*key, usage)
            if self._times is not None:
                self._times.put(key, stream, usage)
        self._changed(key[0])

    def remove(self, key: Key) -> None:
        self.unreadable.forget(key)
        self._drop(key)
        self._changed(key[0])

    def _drop(self, key: Key) -> None:
        self.usage.put(*key, None)
        if self._times is not None:
            self._times.remove(key)

    def retain(self, keys: set[Key]) -> None:
        self.unreadable.retain(keys)
        known = {(ns, name) for ns in self.usage for name in self.usage[ns].streams}
        for key in known - keys:
            self.remove(key)


class WatchedConfig:
    """The host names and the claim of the internal registry in Config/cluster.

    While Config/cluster cannot be read, the last known names stay.
    """

    def __init__(self, unreadable: UnreadableObjects) -> None:
        self.hosts: frozenset[str] = frozenset()
        self.claim = ""
        self.unreadable = unreadable

    def put(self, key: Key, content: Content) -> None:
        if key[1] != _CONFIG:
            return
        config = self.unreadable.read(ServedConfig, key, content)
        if config is not None:
            self.hosts = frozenset(config.registry_hosts)
            with contextlib.suppress(ValidationError):
                self.claim = Config.model_validate(content).claim

    def remove(self, key: Key) -> None:
        if key[1] == _CONFIG:
            self.unreadable.forget(key)
            self.hosts, self.claim = frozenset(), ""

    def retain(self, keys: set[Key]) -> None:
        if ("", _CONFIG) not in keys:
            self.remove(("", _CONFIG))


class Namespaces:
    """The names of the existing namespaces."""

    def __init__(self, gone: Changed) -> None:
        self._gone = gone
        self._names: set[str] = set()

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def put(self, key: Key, content: Content) -> None:
        self._names.add(key[1])

    def remove(self, key: Key) -> None:
        self._names.discard(key[1])
        self._gone(key[1])

    def retain(self, keys: set[Key]) -> None:
        for name in self._names - {name for _, name in keys}:
            self.remove(("", name))
