"""Deciding files without a server: what `registry-admission check` does."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import jsonpatch
from pydantic import ValidationError

from app.admission.review import AdmissionRequest, AdmissionReview
from app.cluster import manifests
from app.cluster.embedded import EmbeddedState, namespace_or_default
from app.cluster.manifests import Manifest, ManifestError
from app.config.settings import Settings
from app.model.base import problems
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
    message: str
    warnings: list[str]


async def check(files: Iterable[Path], settings: Settings, folder: Path) -> list[Result]:
    """Decide every object in order, each on what the ones before it have set and claimed.

    Of a folder, every manifest is decided. Raises ManifestError for a file or a state folder
    that cannot be read.
    """
    state = EmbeddedState(folder, settings.domain)
    admission = service.build(settings, embedded(state, settings)).admission
    results = []
    for path in chain.from_iterable(map(_files, files)):
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
            results.append(
                Result(
                    str(path),
                    manifest.node.start_mark.line + 1,
                    request.title,
                    outcome.allowed,
                    outcome.message,
                    outcome.warnings,
                )
            )
    return results


def _files(path: Path) -> list[Path]:
    return manifests.files(path) if path.is_dir() else [path]


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
