"""The defaults of Config/cluster."""

import copy
from typing import Any

from pydantic import ValidationError

from app.model.domain import ApiDomain
from app.model.registry import Config, ConfigSpec
from app.policy.operator.s3_storage import clients_need_proxy


def with_defaults(config: dict[str, Any], domain: ApiDomain) -> dict[str, Any]:
    """A copy of a Config with the domain's defaults for fields that are absent or null.

    A value that is set never changes. A Config of a wrong shape is returned unchanged, because it
    is refused anyway.
    """
    result = copy.deepcopy(config)
    try:
        spec = Config.model_validate(config).spec
    except ValidationError:
        return result
    _fill(result, {"spec": _defaults(spec, domain)})
    return result


def _defaults(spec: ConfigSpec, domain: ApiDomain) -> dict[str, Any]:
    defaults: dict[str, Any] = {
        "managementState": "Managed",
        "replicas": 1,
        "disableRedirect": spec.storage.s3 is not None and clients_need_proxy(spec.storage.s3),
        "rolloutStrategy": _rollout_strategy(spec),
        "logLevel": "Normal",
    }
    if storage_state := spec.storage.default_management_state:
        defaults["storage"] = {"managementState": storage_state}
    return defaults | (_of_registry_v2(spec) if domain.is_registry_v2 else {})


def _of_registry_v2(spec: ConfigSpec) -> dict[str, Any]:
    """OKD's Config has no imagePullSecret, and OKD's operator chooses the resources."""
    defaults: dict[str, Any] = {
        "imagePullSecret": {"managementState": "Managed", "ignoreSystemNamespaces": True}
    }
    if spec.resources is None:
        defaults["resources"] = {
            kind: {"cpu": "500m", "memory": "500Mi"} for kind in ("requests", "limits")
        }
    return defaults


def _rollout_strategy(spec: ConfigSpec) -> str:
    """`Recreate` if the old Pod must end before a new one starts.

    An emptyDir ends with its Pod. A volume is assumed to be ReadWriteOnce, because its access mode
    is not known here. More than one replica shows that Pods can share the volume.
    """
    at_most_one = spec.replicas is None or spec.replicas <= 1
    one_pod = spec.storage.empty_dir is not None or spec.storage.pvc is not None
    return "Recreate" if at_most_one and one_pod else "RollingUpdate"


def _fill(target: dict[str, Any], defaults: dict[str, Any]) -> None:
    for name, default in defaults.items():
        present = target.get(name)
        if present is None:
            target[name] = default
        elif isinstance(present, dict) and isinstance(default, dict):
            _fill(present, default)
