"""Fields of manifests, and how to change them without touching anything else."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from app.install.kustomization import Manifest

EVERY_KIND: tuple[str, ...] = ()


class Field(NamedTuple):
    """A field of the manifests of some kinds, and its new value.

    `path` is written as in the replacements of kustomize: names with dots between them, `*` for
    every item of a list and `[name=X]` for the items of that name. A manifest without the field
    stays as it is. `value` is called with the old value.
    """

    kinds: tuple[str, ...]
    path: str
    value: Callable[[Any], Any]


def changed(manifest: Manifest, fields: Iterable[Field]) -> Manifest:
    """A copy of a manifest with the values of the fields that its kind has."""
    for kinds, path, value in fields:
        if kinds == EVERY_KIND or manifest["kind"] in kinds:
            manifest = _set(manifest, path.split("."), value)
    return manifest


def _set(node: Any, steps: list[str], value: Callable[[Any], Any]) -> Any:
    if not steps:
        return value(node)
    step, *rest = steps
    if step == "*":
        return [_set(item, rest, value) for item in node]
    if step.startswith("[name="):
        name = step[len("[name=") : -1]
        return [_set(item, rest, value) if item["name"] == name else item for item in node]
    return node | {step: _set(node[step], rest, value)} if step in node else node
