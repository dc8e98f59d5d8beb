"""The manifests of an installation, and parts of them."""

from collections.abc import Iterator
from typing import Any

from app.config.setting_types import CONTROLLERS
from app.install import installing
from app.install.kustomization import Manifest

EVERYTHING: dict[str, Any] = {"controllers": CONTROLLERS, "policy_reports": True}
"""Options with which `install` applies every object that it can apply."""


def manifests(namespace: str = "registry-admission", **options: Any) -> list[Manifest]:
    given = {"image": "registry-admission", "replicas": 3, "api_domain": "alauda.io", **options}
    return installing.manifests(namespace=namespace, **given)


def only(kind: str, name: str = "registry-admission", **options: Any) -> Manifest:
    [found] = [
        manifest
        for manifest in manifests(**options)
        if (manifest["kind"], manifest["metadata"]["name"]) == (kind, name)
    ]
    return found


def all_webhooks(**options: Any) -> list[dict[str, Any]]:
    kinds = ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")
    webhooks: list[dict[str, Any]] = [
        webhook for kind in kinds for webhook in only(kind, **options)["webhooks"]
    ]
    return webhooks


def leaves(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for value in node.values():
            yield from leaves(value)
    elif isinstance(node, list):
        for value in node:
            yield from leaves(value)
    else:
        yield str(node)
