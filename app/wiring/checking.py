"""Decides files without a server, for `registry-admission check`."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import jsonpatch
from pydantic import ValidationError

from app.admission.review import AdmissionRequest, AdmissionReview
from app.cluster import manifests
from app.cluster.embedded import EmbeddedState
from app.cluster.limit_files import namespace_or_default
from app.cluster.manifests import Manifest, ManifestError
from app.config.settings import Settings
from app.model.base import problems
from app.policy import not_in_force
from app.wiring import service
from app.wiring.backends import embedded

_NAMESPACED = frozenset(
    {
        "ConfigMap", "ImageStream", "ImageStreamImport", "ImageStreamMapping", "ImageStreamTag",
        "ImageTag", "LimitRange", "ResourceQuota",
    }
)  # fmt: skip


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


async def check(files: Iterable[Path], settings: Settings, state: EmbeddedState) -> list[Result]:
    """Decide every object in order. Allowed objects count for the objects after them.

    Of a folder, every manifest is decided. Raises ManifestError for a file that cannot be read.
    """
    admission = service.build(settings, embedded(state, settings)).admission
    results = []
    for path in chain.from_iterable(map(manifests.files, files)):
        for index, manifest in enumerate(manifests.read(path)):
            request = _request(manifest, index)
            defaults = await admission.mutate(request, settings.review_timeout)
            if defaults.patch:
                patched = jsonpatch.apply_patch(request.object, defaults.patch)
                request = request.model_copy(update={"object": patched})
            outcome = await admission.validate(request, settings.review_timeout)
            writes = request.operation in ("CREATE", "UPDATE") and not request.dry_run
            if outcome.allowed and writes:
                state.add(replace(manifest, content=request.object or {}))
            content = request.object if outcome.allowed else None
            unread = not_in_force.unread(content or {}, settings.domain)
            results.append(
                Result(
                    str(path),
                    manifest.node.start_mark.line + 1,
                    request.title,
                    outcome.allowed,
                    checked=outcome.handled and not unread,
                    message=outcome.message,
                    warnings=[*outcome.warnings, *unread],
                )
            )
    return results


def _request(manifest: Manifest, index: int) -> AdmissionRequest:
    """The review that a file holds, or the one that creating its object would send."""
    content = manifest.content
    if manifest.kind == "AdmissionReview":
        try:
            return AdmissionReview.model_validate(content).request
        except ValidationError as error:
            line = manifest.node.start_mark.line + 1
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
