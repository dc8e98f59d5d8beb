"""Keeps track of objects that cannot be read. Each makes only its own namespace undecidable.

The log, a metric and an Event in the object's namespace tell what is wrong. A refusal names the
namespace only: a user who refers to it from elsewhere must not learn of its objects.
"""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from pydantic import ValidationError

from app.cluster.api import ApiError, ConflictError, Content, KubeApi
from app.cluster.event import new_event
from app.cluster.informer import Key
from app.model.base import KubeModel, problems
from app.quota.state import StateUnavailableError

logger = logging.getLogger("registry_admission.state")

_QUEUE = 100
_CLUSTER_WIDE = "default"
"""The namespace for Events on cluster-scoped objects."""
_MAX_PROBLEM = 400
UNDECIDABLE = "no push to this namespace is decided until it is changed or deleted"

Model = TypeVar("Model", bound=KubeModel)


@dataclass(frozen=True)
class Unreadable:
    """An object that cannot be read, and its first problem."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str
    problem: str
    """`path.to.field: what is wrong`."""
    consequence: str = UNDECIDABLE

    @property
    def title(self) -> str:
        name = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.kind} {name}"

    def __str__(self) -> str:
        return f"{self.title} cannot be read: {self.problem}"


Noticed = Callable[[Unreadable], None]


def nobody(_: Unreadable) -> None:
    """Does nothing: the default of `noticed`."""


class UnreadableObjects:
    """The unreadable objects of one kind."""

    def __init__(
        self,
        api_version: str,
        kind: str,
        noticed: Noticed = nobody,
        consequence: str = UNDECIDABLE,
    ) -> None:
        """`noticed` is called for each new one. `consequence` is part of its Event."""
        self._api_version = api_version
        self.kind = kind
        self._noticed = noticed
        self._consequence = consequence
        self._found: dict[str, dict[str, Unreadable]] = {}

    def __iter__(self) -> Iterator[Unreadable]:
        return (found for names in self._found.values() for found in names.values())

    def __len__(self) -> int:
        return sum(map(len, self._found.values()))

    def read(self, model: type[Model], key: Key, content: Content) -> Model | None:
        """The object; None if it cannot be read. Then it is remembered until it can be."""
        try:
            found = model.model_validate(content)
        except ValidationError as error:
            self._add(key, content, next(problems(error))[:_MAX_PROBLEM])
            return None
        self.forget(key)
        return found

    def forget(self, key: Key) -> None:
        """Note that the object can be read or is gone."""
        namespace, name = key
        names = self._found.get(namespace, {})
        names.pop(name, None)
        if not names:
            self._found.pop(namespace, None)

    def retain(self, keys: set[Key]) -> None:
        for namespace, names in list(self._found.items()):
            for name in [name for name in names if (namespace, name) not in keys]:
                self.forget((namespace, name))

    def require_none(self, namespace: str) -> None:
        """Raises StateUnavailableError if the namespace has an unreadable object."""
        if namespace in self._found:
            raise StateUnavailableError(
                f"namespace {namespace} has {self.kind} objects that cannot be read; "
                "Events in that namespace name them"
            )

    def _add(self, key: Key, content: Content, problem: str) -> None:
        namespace, name = key
        uid = str(content["metadata"].get("uid", ""))
        found = Unreadable(
            self._api_version, self.kind, namespace, name, uid, problem, self._consequence
        )
        known = self._found.setdefault(namespace, {})
        if known.get(name) != found:
            logger.error("object cannot be read", extra={"object": found.title, "problem": problem})
            self._noticed(found)
        known[name] = found


class UnreadableEvents:
    """Writes an Event for each object. If the queue is full, only the log has it."""

    def __init__(self, api: KubeApi, instance: str = "registry-admission") -> None:
        self._api = api
        self._instance = instance
        self._queue: asyncio.Queue[Unreadable] = asyncio.Queue(_QUEUE)

    def add(self, found: Unreadable) -> None:
        if not self._queue.full():
            self._queue.put_nowait(found)

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            found = await self._queue.get()
            try:
                await self._write(found)
            except ConflictError:
                pass  # Another replica has written the same Event.
            except ApiError as error:
                logger.warning("event not written", extra={"problem": str(error)})

    async def _write(self, found: Unreadable) -> None:
        namespace = found.namespace or _CLUSTER_WIDE
        involved = {
            "apiVersion": found.api_version,
            "kind": found.kind,
            "namespace": found.namespace,
            "name": found.name,
            "uid": found.uid,
        }
        event = new_event(
            {key: value for key, value in involved.items() if value},
            namespace=namespace,
            warning=True,
            reason="NotUnderstood",
            message=f"{found}; {found.consequence}",
            instance=self._instance,
        )
        digest = hashlib.sha256(f"{found.uid}/{found}".encode()).hexdigest()[:16]
        event["metadata"]["name"] = f"{found.name[:200]}.{digest}"
        await self._api.create(f"/api/v1/namespaces/{namespace}/events", event)
