"""Decides files without a server, for `registry-admission check`."""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jsonpatch
from pydantic import ValidationError

from app.admission.kinds import KINDS
from app.admission.review import AdmissionRequest, AdmissionReview, Outcome
from app.cluster import cluster_copy, connection, manifests
from app.cluster.embedded import EmbeddedState, SnapshotState
from app.cluster.limit_files import namespace_or_default
from app.cluster.manifests import Manifest, ManifestError
from app.config import examples
from app.config.settings import Settings
from app.model.base import problems
from app.policy import not_in_force
from app.policy.verdict import MAX_VIOLATIONS, WOULD_BE_REFUSED
from app.wiring import service
from app.wiring.backends import snapshot

_NAMESPACED = frozenset(kind.name for kind in KINDS if kind.namespaced and kind.name != "Secret")
"""Kinds that kubectl puts into `default`. A Secret of the registry is created with `-n`."""


@dataclass(frozen=True)
class Result:
    """The decision on one object of a file."""

    file: str
    line: int
    object: str
    allowed: bool
    checked: bool
    """False if nothing was decided, for example on a kind that has no policy."""
    message: str
    warnings: list[str]


@dataclass(frozen=True)
class _Object:
    manifest: Manifest
    request: AdmissionRequest


async def check(
    paths: Iterable[Path],
    settings: Settings,
    *,
    warn: Callable[[str], None],
    on_examples: bool = False,
) -> list[Result]:
    """Decide every object in order. Allowed objects count for the objects after them.

    Limits and images come from the folder `settings.state`, from the examples, or from the cluster
    that kubectl uses. `warn` is called with each problem of the folder. Raises UnusableError for a
    file, folder or cluster that cannot be read.
    """
    objects = list(_objects(paths))
    async with _state(settings, objects, on_examples) as state:
        for problem in state.warnings:
            warn(problem)
        admission = service.build(settings, snapshot(state, settings)).admission
        results = []
        for item in objects:
            request = item.request
            defaults = await admission.mutate(request, settings.review_timeout)
            if defaults.patch:
                patched = jsonpatch.apply_patch(request.object, defaults.patch)
                request = request.model_copy(update={"object": patched})
            outcome = await admission.validate(request, settings.review_timeout)
            writes = request.operation in ("CREATE", "UPDATE") and not request.dry_run
            if outcome.allowed and writes:
                state.add(replace(item.manifest, content=request.object or {}))
            content = request.object if outcome.allowed else None
            unread = not_in_force.unread(content or {}, settings.domain)
            results.append(
                Result(
                    str(item.manifest.path),
                    item.manifest.line,
                    request.title,
                    outcome.allowed,
                    checked=outcome.handled and not unread,
                    message="" if outcome.allowed else outcome.message,
                    warnings=[*_warnings(outcome), *unread],
                )
            )
        return results


def _warnings(outcome: Outcome) -> Iterator[str]:
    """The warnings of an outcome. A tolerated violation is one text here; for the API server, a
    long one is two warnings."""
    told = set[str]()
    for found in outcome.tolerated[:MAX_VIOLATIONS]:
        told.update(found.as_warnings(WOULD_BE_REFUSED))
        yield f"{WOULD_BE_REFUSED}{found}"
    yield from (text for text in outcome.warnings if text not in told)


@asynccontextmanager
async def _state(
    settings: Settings, objects: Sequence[_Object], on_examples: bool
) -> AsyncIterator[SnapshotState]:
    folder = examples.state_folder() if on_examples else settings.state
    if folder is not None:
        manifests.files_of(folder)  # raises for an empty folder
        yield EmbeddedState(folder, settings.domain)
        return
    namespaces = {name for item in objects for name in _namespaces(item)}
    async with connection.found(
        settings.kubeconfig, settings.context, otherwise=connection.FOLDER_OR_EXAMPLES
    ) as api:
        yield await cluster_copy.copied(api, settings.domain, namespaces)


def _namespaces(item: _Object) -> Iterator[str]:
    """The namespaces of an object and of the objects that it refers to."""
    if item.request.namespace:
        yield item.request.namespace
    yield from _mentioned(item.request.object)


def _mentioned(content: Any) -> Iterator[str]:
    if isinstance(content, dict):
        name = content.get("namespace")
        if isinstance(name, str) and name:
            yield name
        content = content.values()
    if not isinstance(content, str | bytes) and isinstance(content, Iterable):
        for child in content:
            yield from _mentioned(child)


def _objects(paths: Iterable[Path]) -> Iterator[_Object]:
    for index, manifest in enumerate(manifests.read_named(paths)):
        yield _Object(manifest, _request(manifest, index))


def _request(manifest: Manifest, index: int) -> AdmissionRequest:
    """The review that a file holds, or the one that creating its object would send."""
    content = manifest.content
    if manifest.kind == "AdmissionReview":
        try:
            return AdmissionReview.model_validate(content).request
        except ValidationError as error:
            line = manifest.line
            text = "; ".join(problems(error))
            raise ManifestError(f"{manifest.path}:{line}: {text}") from None
    group, _, version = manifest.api_version.rpartition("/")
    metadata = content.get("metadata")
    names = metadata if isinstance(metadata, dict) else {}
    namespace = str(names.get("namespace") or "")
    if manifest.kind in _NAMESPACED:
        namespace = namespace_or_default(namespace)
    return AdmissionRequest.model_validate(
        {
            "uid": f"{manifest.path.name}-{index}"[-128:],
            "kind": {"group": group, "version": version, "kind": manifest.kind},
            "name": str(names.get("name") or ""),
            "namespace": namespace,
            "operation": "CREATE",
            "object": content,
        }
    )
