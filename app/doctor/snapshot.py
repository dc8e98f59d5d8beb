"""A cluster as of one reading, and what of it could not be read."""

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
    """What a check needs was not read; the text says what and why."""


@dataclass(frozen=True)
class Scope:
    """What one question asks for: all objects of a model, those of a namespace, or one."""

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
    """The objects that were read, and where to look for the registry and this service."""

    objects: Mapping[type[KubeObject], tuple[KubeObject, ...]]
    unread: Mapping[Scope, str]
    """Why something could not be read; what is in neither does not exist."""
    taken: datetime
    domain: ApiDomain = field(default_factory=ApiDomain)
    registry_namespace: str = "image-registry-system"
    service_namespace: str = "registry-admission"
    namespaces: frozenset[str] = frozenset()
    """Whose limits and images are looked at; none: everybody's."""
    inventory: Inventory = field(default_factory=Inventory)
    """Of the ImageStreams, which are too many to keep."""
    installation: tuple[dict[str, Any], ...] = ()
    """The manifests that `install` would print for this cluster."""

    def all(self, model: type[Model], namespace: str = "") -> list[Model]:
        """Every object of a model, or those in one namespace. Raises NotReadError."""
        self._require(Scope(model, namespace))
        return self.known(model, namespace)

    def find(self, model: type[Model], name: str, namespace: str = "") -> Model | None:
        """One object; None if there is none. Raises NotReadError."""
        self._require(Scope(model, namespace, name))
        return next((o for o in self.known(model, namespace) if o.metadata.name == name), None)

    def known(self, model: type[Model], namespace: str = "") -> list[Model]:
        """What was read of it, whether or not that is all: for evidence only."""
        return [
            item
            for item in self.objects.get(model, ())
            if isinstance(item, model) and namespace in ("", item.metadata.namespace)
        ]

    def of_tenants(self, model: type[Model]) -> list[Model]:
        """Every object in the namespaces that are looked at. Raises NotReadError."""
        return [item for item in self.all(model) if self.concerns(item.metadata.namespace)]

    def concerns(self, namespace: str) -> bool:
        return not self.namespaces or namespace in self.namespaces

    def images(self) -> Inventory:
        """What the ImageStreams hold. Raises NotReadError."""
        self._require(Scope(ImageStream))
        return self.inventory

    @property
    def config(self) -> OperatedConfig | None:
        """Config/cluster. Raises NotReadError."""
        return self.find(OperatedConfig, "cluster")

    def events_of(self, item: KubeObject, reasons: Iterable[str] = ()) -> list[Event]:
        """What was recorded of an object, the newest first, each message once."""
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
