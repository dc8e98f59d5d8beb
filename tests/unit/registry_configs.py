"""Config/cluster for tests: the examples of Registry v2's configuration page, and others."""

from typing import Any, Literal

import yaml

from app.model.domain import ApiDomain
from app.model.registry import Config
from app.policy.operator import registry_config, registry_data_loss, registry_defaults
from app.policy.verdict import Verdict
from tests import page

EXAMPLES = ("emptyDir", "pvc", "s3", "imagePullSecret")
"""The examples in the order of the page."""


def example(name: str) -> dict[str, Any]:
    """A fresh copy of one of the page's examples, as printed."""
    printed = (one for text in page.examples() for one in yaml.safe_load_all(text))
    configs = [one for one in printed if one["kind"] == "Config"]
    content: dict[str, Any] = dict(zip(EXAMPLES, configs, strict=True))[name]
    return content


def config(spec: object, **metadata: object) -> dict[str, Any]:
    """A Config/cluster with this spec."""
    return {
        "apiVersion": "imageregistry.operator.alauda.io/v1",
        "kind": "Config",
        "metadata": {"name": "cluster", **metadata},
        "spec": spec,
    }


def check(
    new: dict[str, Any],
    old: dict[str, Any] | None = None,
    *,
    domain: str = "alauda.io",
    images_exist: bool = True,
    guard: Literal["warn", "deny"] = "deny",
) -> Verdict:
    """The verdict on creating a Config, or on updating an old one to it."""
    return registry_config.check(
        Config.model_validate(new),
        None if old is None else Config.model_validate(old),
        domain=ApiDomain(domain),
        images_exist=images_exist,
        data_loss_guard=guard,
    )


def check_deletion(content: dict[str, Any], *, guard: Literal["warn", "deny"]) -> Verdict:
    """The verdict on deleting a Config whose registry holds images."""
    return registry_data_loss.check_deletion(
        Config.model_validate(content), domain=ApiDomain(), guard=guard
    )


def with_defaults(content: dict[str, Any], domain: str = "alauda.io") -> dict[str, Any]:
    """A Config as the mutating webhook leaves it."""
    return registry_defaults.with_defaults(content, ApiDomain(domain))


def check_spec(spec: object) -> Verdict:
    """The verdict on creating a Config/cluster with this spec."""
    return check(config(spec))


def reasons(verdict: Verdict) -> list[str]:
    return [violation.reason for violation in verdict.violations]
