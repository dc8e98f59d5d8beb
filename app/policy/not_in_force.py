"""Objects in files that look like limits or usage of the registry and have no effect.

An API server refuses some of them. A folder of manifests takes the place of an API server, so
the service itself has to say what is not in force.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from app.model.base import KubeModel
from app.model.domain import ApiDomain
from app.model.legacy import LEGACY_NAMES
from app.model.limits import (
    LimitRange,
    LimitRangeItem,
    LimitRangeSpec,
    ResourceQuota,
    ResourceQuotaSpec,
)
from app.policy.limit_objects import (
    MAY_NOT_BE_MEANT,
    UNKNOWN_MODE,
    check_limit_range,
    check_resource_quota,
)
from app.policy.verdict import Violation

_LIMITS = ("LimitRange", "ResourceQuota")
_INSTEAD = {
    UNKNOWN_MODE: "the setting default-mode is in force instead",
    "ScopedQuota": "it is in force without the scope",
    "NoNumber": "0 is in force instead",
    "NegativeLimit": "0 is in force instead",
    "LessThanOneByte": "it is in force, and no image fits",
    "NotAnInteger": "the next lower whole number is in force instead",
}
"""What is in force instead of a value that an API server refuses, by the reason of the refusal."""
_OBJECT_FIELDS = frozenset({"apiVersion", "kind", "metadata", "spec", "status"})


def unread(content: Mapping[str, Any], domain: ApiDomain) -> list[str]:
    """The parts of an object that are not read, each as `field: why`.

    `content` is the object as JSON, of any kind and shape.
    """
    kind, version = str(content.get("kind")), content.get("apiVersion")
    read = {
        **dict.fromkeys(_LIMITS, "v1"),
        **dict.fromkeys(("Image", "ImageStream"), f"{domain.image_group}/v1"),
    }
    if kind in read and version != read[kind]:
        return [f"apiVersion: {kind} is read in {read[kind]}, not in {version}"]
    if kind in _LIMITS:
        return list(_unknown_fields(kind, content))
    if kind == "Template" and any(
        item.get("kind") in read for item in _objects(content, "objects")
    ):
        return ["objects: the objects of a Template are not read; process it first"]
    if kind == "ClusterResourceQuota":
        return ["spec.quota: a ClusterResourceQuota is not enforced; use a ResourceQuota"]
    if kind == "ConfigMap" and _object(content, "metadata").get("name") in LEGACY_NAMES:
        return ["data: limits of the legacy gateway are not read; convert them"]
    return []


def not_in_force(content: Mapping[str, Any], domain: ApiDomain) -> list[str]:
    """The parts that are not in force, the values that are replaced, and limits that are probably
    mistakes.

    A part is not in force if the service does not read it, or if an API server would refuse it in a
    LimitRange or ResourceQuota. Raises ValidationError for an object whose shape is wrong.
    """
    found = [_without_effect(problem) for problem in unread(content, domain)]
    kind = content.get("kind")
    if found or kind not in ("LimitRange", "ResourceQuota"):
        return found
    if kind == "LimitRange":
        verdict = check_limit_range(LimitRange.model_validate(content), domain=domain)
    else:
        verdict = check_resource_quota(ResourceQuota.model_validate(content), domain=domain)
    return [*map(_effect, verdict.violations), *map(_warning, verdict.warnings)]


def _effect(violation: Violation) -> str:
    instead = _INSTEAD.get(violation.reason)
    if instead is None:
        return _without_effect(str(violation))
    return f"{violation.message}: {instead}; {violation.next_step}"


def _warning(warning: str) -> str:
    return warning if warning.endswith(MAY_NOT_BE_MEANT) else _without_effect(warning)


def _without_effect(problem: str) -> str:
    return f"not in force: {problem}"


def _unknown_fields(kind: str, content: Mapping[str, Any]) -> Iterator[str]:
    """Fields that neither Kubernetes nor this service knows, such as `hard` outside of `spec`."""
    spec = _object(content, "spec")
    model: type[KubeModel] = LimitRangeSpec if kind == "LimitRange" else ResourceQuotaSpec
    parts = [("", content, _OBJECT_FIELDS), ("spec.", spec, _fields(model))]
    for index, item in enumerate(_objects(spec, "limits")):
        parts.append((f"spec.limits[{index}].", item, _fields(LimitRangeItem)))
    for path, part, known in parts:
        for name in part.keys() - known:
            yield f"{path}{name}: {kind} has no such field"


def _fields(model: type[KubeModel]) -> frozenset[str]:
    return frozenset(str(field.alias) for field in model.model_fields.values())


def _object(content: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    found = content.get(field)
    return found if isinstance(found, dict) else {}


def _objects(content: Mapping[str, Any], field: str) -> list[Mapping[str, Any]]:
    found = content.get(field)
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []
