"""The part of kustomize that `install` needs for the project's own overlays.

A kustomization may list resources (files or other kustomizations) and JSON patches with the kind
and name of their target. A component may do the same. Any other field raises an error, so the
result never differs silently from that of kustomize.
"""

from pathlib import Path
from typing import Any

import jsonpatch
import yaml

Manifest = dict[str, Any]

_FILE = "kustomization.yaml"
_KNOWN = {"apiVersion", "kind", "resources", "patches"}


def build(folder: Path, *components: Path) -> list[Manifest]:
    """The objects that `kubectl kustomize` prints for a folder with these components, in the
    order of their files."""
    manifests: list[Manifest] = []
    for part in (folder, *components):
        manifests = _added(manifests, part)
    return manifests


def _added(manifests: list[Manifest], folder: Path) -> list[Manifest]:
    [kustomization] = _objects(folder / _FILE)
    unknown = kustomization.keys() - _KNOWN
    if unknown:
        raise ValueError(f"{folder / _FILE}: {', '.join(sorted(unknown))} is not supported here")
    manifests = list(manifests)
    for resource in kustomization.get("resources", []):
        path = folder / resource
        manifests += build(path) if path.is_dir() else _objects(path)
    for patch in kustomization.get("patches", []):
        [operations] = _objects(folder / patch["path"])
        manifests = [
            jsonpatch.apply_patch(manifest, operations)
            if _is(manifest, patch["target"])
            else manifest
            for manifest in manifests
        ]
    return manifests


def _objects(file: Path) -> list[Any]:
    return list(yaml.load_all(file.read_text(), Loader=yaml.CSafeLoader))


def _is(manifest: Manifest, target: dict[str, str]) -> bool:
    return (manifest["kind"], manifest["metadata"]["name"]) == (target["kind"], target["name"])
