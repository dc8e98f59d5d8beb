"""ConfigMaps of the legacy gateway, and the verdict on them."""

from typing import Any

import yaml

from app.migration.legacy_config import check
from app.model.core import ConfigMap
from app.model.domain import ApiDomain
from app.policy.verdict import Verdict, Violation

DOMAIN = ApiDomain()
LIMITS = {"max_image_size": "2GB", "tag_count_limit": "50"}
GATEWAY_RULES = "- {path: ^team-a/, limit: {max_image_size: 1GB, tag_count_limit: 1}}"
ALERT_RULES = "- {alert: Down, expr: up == 0}"


def config_map(
    data: dict[str, str],
    name: str = "image-registry-limit-config",
    namespace: str = "cpaas-system",
    **metadata: Any,
) -> ConfigMap:
    return ConfigMap.model_validate(
        {"metadata": {"name": name, "namespace": namespace, **metadata}, "data": data}
    )


def enforce(new: ConfigMap, old: ConfigMap | None = None, **settings: Any) -> Verdict:
    return check(new, old=old, mode="enforce", domain=DOMAIN, **settings)


def refusal(data: dict[str, str], **settings: Any) -> Violation:
    (violation,) = enforce(config_map(data), **settings).violations
    return violation


def manifests(violation: Violation) -> list[dict[str, Any]]:
    """The objects that `kubectl apply` reads from all lines below the first one."""
    return list(yaml.safe_load_all(violation.next_step.partition("\n")[2]))


def rules(*paths: str) -> dict[str, str]:
    return {
        "rules": yaml.safe_dump(
            [
                {"path": path, "limit": {"max_image_size": f"{i + 1}MB", "tag_count_limit": i + 1}}
                for i, path in enumerate(paths)
            ]
        )
    }


LEGACY = {**LIMITS, "rules": GATEWAY_RULES}
