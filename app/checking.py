"""Deciding files without a server: what `registry-admission check` does."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import jsonpatch
from pydantic import ValidationError

from app import service
from app.admission.review import AdmissionRequest, AdmissionReview
from app.backends import embedded
from app.cluster import manifests
from app.cluster.manifests import Manifest, ManifestError
from app.model.base import problems
from app.settings import Settings


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
    """Decide every object in order, each on what the ones before it claim.

    Raises ManifestError for a file or a state folder that cannot be read.
    """
    admission = service.build(settings, embedded(folder, settings)).admission
    results = []
    for path in files:
        for index, manifest in enumerate(manifests.read(path)):
            request = _request(manifest, index)
            defaults = await admission.mutate(request, settings.review_timeout)
            if defaults.patch:
                patched = jsonpatch.apply_patch(request.object, defaults.patch)
                request = request.model_copy(update={"object": patched})
            outcome = await admission.validate(request, settings.review_timeout)
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
    return AdmissionRequest.model_validate(
        {
            "uid": f"{manifest.path.name}-{index}"[-128:],
            "kind": {"group": group, "version": version, "kind": manifest.kind},
            "name": str(names.get("name") or ""),
            "namespace": str(names.get("namespace") or ""),
            "operation": "CREATE",
            "object": content,
        }
    )
