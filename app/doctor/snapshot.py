"""The objects of a cluster at one time, and the reasons why some were not read."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from app.doctor.inventory import Inventory
from app.model.base import KubeObject
from app.model.domain import ApiDomain
from app.model.registry import OperatedConfig
from app.model.stored import Event
from app.model.stream import ImageStream

Model = TypeVar("Model", bound=KubeObject)


class NotReadError(Exception):
    """Objects that a check needs were not read. The text names them and the reason."""


@dataclass(frozen=True)
class Scope:
    """A set of objects: all of a model, those in one namespace, or a single one."""

    model: type[KubeObject]
    namespace: str = ""
    name: str = ""

    def overlaps(self, other: "Scope") -> bool:
        return self.model is other.model and all(
            not mine or not theirs or mine == theirs
            for mine, theirs in ((self.namespace, other.namespace), (self.name, other.name))
        )


@dataclass(frozen=True)
class Snapshot:
    """The objects that were read, and the namespaces of the registry and this service."""

    objects: Mapping[type[KubeObject], tuple[KubeObject, ...]]
    unread: Mapping[Scope, str]
    """The reason why a scope was not read. An object in neither mapping does not exist."""
    taken: datetime
    domain: ApiDomain = field(default_factory=ApiDomain)
    registry_namespace: str = "image-registry-system"
    service_namespace: str = "registry-admission"
    ca_namespace: str = ""
    """The namespace of the CA bundle that Config/cluster names; "" for the registry's."""
    namespaces: frozenset[str] = frozenset()
    """The namespaces whose limits and images are checked; empty: all."""
    inventory: Inventory = field(default_factory=Inventory)
    """A summary of the ImageStreams: keeping all of them would take too much memory."""
    unreadable: tuple[str, ...] = ()
    """Single objects of tenants that could not be read, each with the reason."""
    read: bool = True
    """Whether anything at all could be read."""
    installation: tuple[dict[str, Any], ...] = ()
    """The manifests that `install` would print for this cluster, with all controllers."""
    optional_webhooks: frozenset[str] = frozenset()
    """The names of webhooks that only controllers need which are not turned on."""

    def all(self, model: type[Model], namespace: str = "") -> list[Model]:
        """Every object of a model, or those in one namespace. Raises NotReadError."""
        self._require(Scope(model, namespace))
        return self.known(model, namespace)

    def find(self, model: type[Model], name: str, namespace: str = "") -> Model | None:
        """One object; None if there is none. Raises NotReadError."""
        self._require(Scope(model, namespace, name))
        return next((o for o in self.known(model, namespace) if o.metadata.name == name), None)

    def known(self, model: type[Model], namespace: str = "") -> list[Model]:
        """The objects that were read, perhaps not all: use them as evidence only."""
        return [
            item
            for item in self.objects.get(model, ())
            if isinstance(item, model) and namespace in ("", item.metadata.namespace)
        ]

    def of_tenants(self, model: type[Model]) -> list[Model]:
        """Every object in the namespaces that are checked. Raises NotReadError."""
        return [item for item in self.all(model) if self.concerns(item.metadata.namespace)]

    def concerns(self, namespace: str) -> bool:
        return not self.namespaces or namespace in self.namespaces

    def images(self) -> Inventory:
        """The summary of the ImageStreams. Raises NotReadError."""
        self._require(Scope(ImageStream))
        return self.inventory

    @property
    def config(self) -> OperatedConfig | None:
        """Config/cluster. Raises NotReadError."""
        return self.find(OperatedConfig, "cluster")

    def events_of(self, item: KubeObject, reasons: Iterable[str] = ()) -> list[Event]:
        """The Events of an object, newest first, each message once."""
        wanted = set(reasons)
        events = [
            event
            for event in self.known(Event, item.metadata.namespace)
            if event.involved_object.kind == item.kind
            and event.involved_object.name == item.metadata.name
            and event.involved_object.uid in ("", item.metadata.uid)
            and (not wanted or event.reason in wanted)
        ]
        events.sort(key=lambda event: event.seen, reverse=True)
        return list({str(event): event for event in events}.values())

    def _require(self, wanted: Scope) -> None:
        for scope, why in self.unread.items():
            if scope.overlaps(wanted):
                raise NotReadError(why)
