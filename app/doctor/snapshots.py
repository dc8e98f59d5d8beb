"""Reads a cluster, or a folder of kubectl's output, for `doctor`.

A cluster is read with GET requests only. A refusal to show objects is recorded as unread.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path

import yaml
from pydantic import ValidationError

from app.cluster import manifests
from app.cluster.api import ApiError, Content, KubeApi, NotFoundError
from app.cluster.manifests import ManifestError
from app.doctor.inventory import Inventory
from app.doctor.resources import WEBHOOKS, Resource, resources, scopes
from app.doctor.snapshot import Scope, Snapshot
from app.doctor.workloads import SERVICE
from app.model.base import KubeObject, problems
from app.model.core import Secret
from app.model.domain import ApiDomain
from app.model.errors import UnusableError
from app.model.image import Image
from app.model.limits import LimitRange, ResourceQuota
from app.model.stream import ImageStream
from app.model.webhooks import WebhookConfiguration

_AT_ONCE = 8
_MAX_EMPTY_LIST = 4096
_OF_TENANTS = (LimitRange, ResourceQuota, ImageStream, Image)


class NothingToLookAtError(UnusableError):
    """The cluster does not answer or the folder has no objects. The text gives the reason."""


@dataclass(frozen=True)
class SnapshotOptions:
    """The objects to read."""

    domain: ApiDomain
    registry_namespace: str
    service_namespace: str | None
    """None: take the namespace that the webhook configurations name."""
    namespaces: frozenset[str] = frozenset()
    """The namespaces whose limits and images are read; empty: all."""
    hosts: frozenset[str] = frozenset()
    """The registry's own names."""
    samples: int = 0
    """The number of images that the registry is asked about."""
    ca_namespace: str = ""
    """The namespace of the CA bundle that Config/cluster names; "" for the registry's."""


async def of_cluster(api: KubeApi, options: SnapshotOptions) -> Snapshot:
    """Read a cluster. Raises NothingToLookAtError if the API server does not answer."""
    reading = _Reading(options)
    for scope in WEBHOOKS:
        await _read(api, reading, scope)
    wanted = scopes(
        options.domain,
        options.registry_namespace,
        reading.service_namespace,
        options.namespaces,
        options.ca_namespace,
    )
    slots = asyncio.Semaphore(_AT_ONCE)

    async def one(scope: Scope) -> None:
        async with slots:
            await _read(api, reading, scope)

    await asyncio.gather(*map(one, wanted))
    if not reading.answered:
        raise NothingToLookAtError(next(iter(reading.unread.values())))
    if reading.limits_image_size:
        await _read(api, reading, Scope(Image))
    return reading.snapshot()


def of_folder(folder: Path, options: SnapshotOptions) -> Snapshot:
    """Read a folder. A kind without objects in the folder counts as unread.

    A file with the name of a kind, such as `persistentvolumes.yaml`, says that this kind was
    read, even if the file is empty. Secrets count as read only with such a file. Raises
    ManifestError, and NothingToLookAtError for a folder without any object of these kinds, or
    without any of a namespace in `options`.
    """
    if not folder.is_dir():
        problem = "is not a folder" if folder.exists() else "does not exist"
        raise ManifestError(f"{folder} {problem}")
    reading = _Reading(options, read=True)
    known = {(item.group, item.kind): item for item in reading.resources.values()}
    named = {name: item for item in known.values() for name in (item.plural, item.full_name)}
    complete: set[type[KubeObject]] = set()
    namespaces: set[str] = set()
    for path in manifests.files(folder):
        objects = list(manifests.read(path))
        if path.stem in named and (objects or _is_empty_list(path)):
            complete.add(named[path.stem].model)
        for manifest in objects:
            resource = known.get((manifest.api_version.rpartition("/")[0], manifest.kind))
            if resource:
                item = manifest.parse(resource.model)
                reading.add(item)
                namespaces.add(item.metadata.namespace)
                if resource.model is not Secret:
                    complete.add(resource.model)
    if not complete and not reading.objects:
        raise NothingToLookAtError(f"{folder}: no object in this folder is checked")
    for name in options.namespaces - namespaces:
        raise NothingToLookAtError(f"{folder} has nothing of namespace {name}")
    for model, resource in reading.resources.items():
        if model not in complete:
            _note_absent(reading, resource, folder)
    return reading.snapshot()


@dataclass
class _Reading:
    options: SnapshotOptions
    objects: dict[tuple[type[KubeObject], str, str], KubeObject] = field(default_factory=dict)
    unread: dict[Scope, str] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)
    answered: bool = False
    """Whether the API server has answered at least once. A 403 counts as an answer."""
    read: bool = False
    """Whether at least one kind was read."""

    def __post_init__(self) -> None:
        self.resources = {item.model: item for item in resources(self.options.domain)}
        self._inventory = Inventory(self.options.hosts, self.options.samples)

    def add(self, item: KubeObject) -> None:
        """Keep an object; of streams and images, which may be many, keep only a summary."""
        if isinstance(item, ImageStream):
            if not self.options.namespaces or item.metadata.namespace in self.options.namespaces:
                self._inventory.add(item)
        else:
            key = (type(item), item.metadata.namespace, item.metadata.name)
            self.objects[key] = item.condensed if isinstance(item, Image) else item

    def skip(self, scope: Scope, content: Content, error: ValidationError) -> None:
        """Leave out one object that cannot be parsed.

        If the object is one of the registry's own, its whole kind counts as unread: these kinds
        have few objects, and the checks need every one of them.
        """
        name = self.resources[scope.model].full_name
        problem = next(problems(error))
        if scope.model not in _OF_TENANTS:
            self.unread[scope] = f"{name}: {problem}"
            return
        metadata = content["metadata"]
        title = "/".join(filter(None, (metadata.get("namespace"), metadata["name"])))
        self.unreadable.append(f"{name} {title}: {problem}")

    @property
    def service_namespace(self) -> str:
        if self.options.service_namespace:
            return self.options.service_namespace
        for item in self.objects.values():
            if isinstance(item, WebhookConfiguration) and item.metadata.name == SERVICE:
                for webhook in item.webhooks:
                    service = (webhook.get("clientConfig") or {}).get("service") or {}
                    if service.get("namespace"):
                        return str(service["namespace"])
        return SERVICE

    @property
    def limits_image_size(self) -> bool:
        return any(
            limit.type == self.options.domain.image_type and "storage" in limit.max
            for item in self.objects.values()
            if isinstance(item, LimitRange)
            for limit in item.spec.limits
        )

    def snapshot(self) -> Snapshot:
        by_model: dict[type[KubeObject], list[KubeObject]] = {}
        for (model, _, _), item in sorted(self.objects.items(), key=lambda pair: pair[0][1:]):
            by_model.setdefault(model, []).append(item)
        return Snapshot(
            {model: tuple(items) for model, items in by_model.items()},
            self.unread,
            taken=datetime.now(UTC),
            domain=self.options.domain,
            registry_namespace=self.options.registry_namespace,
            service_namespace=self.service_namespace,
            ca_namespace=self.options.ca_namespace,
            namespaces=self.options.namespaces,
            inventory=self._inventory,
            unreadable=tuple(self.unreadable),
            read=self.read,
        )


async def _read(api: KubeApi, reading: _Reading, scope: Scope) -> None:
    """Read a scope, or record why it was not read."""
    resource = reading.resources[scope.model]
    try:
        async for content in _contents(api, resource.path(scope), scope):
            try:
                reading.add(scope.model.model_validate(content))
            except ValidationError as error:
                reading.skip(scope, content, error)
        reading.answered = reading.read = True
    except NotFoundError as error:
        reading.answered = True
        reading.unread[scope] = f"{resource.full_name} is not served: {error}"
    except ApiError as error:
        reading.answered |= error.status == HTTPStatus.FORBIDDEN
        reading.unread[scope] = str(error)


async def _contents(api: KubeApi, path: str, scope: Scope) -> AsyncIterator[Content]:
    if scope.name and scope.namespace:
        try:
            yield await api.get(f"{path}/{scope.name}")
        except NotFoundError:
            return
        return
    query = {"fieldSelector": f"metadata.name={scope.name}"} if scope.name else {}
    async for content in api.items(path, query):
        yield content


def _is_empty_list(path: Path) -> bool:
    """Whether the file is an empty list, which kubectl prints if there are no objects.

    The file is valid YAML. Raises ManifestError if it cannot be read.
    """
    if path.stat().st_size > _MAX_EMPTY_LIST:
        return False
    content = yaml.safe_load(manifests.text_of(path))
    return isinstance(content, dict) and content.get("items") == []


def _note_absent(reading: _Reading, resource: Resource, folder: Path) -> None:
    if resource.model is not Secret:
        file = f"{resource.full_name}.yaml"
        reading.unread[Scope(resource.model)] = f"{folder} has no {resource.kind} and no {file}"
        return
    names = {(namespace, name) for model, namespace, name in reading.objects if model is Secret}
    options = reading.options
    service = reading.service_namespace
    for scope in scopes(options.domain, options.registry_namespace, service, frozenset()):
        if scope.model is Secret and (scope.namespace, scope.name) not in names:
            reading.unread[scope] = f"{folder} has no Secret {scope.namespace}/{scope.name}"
