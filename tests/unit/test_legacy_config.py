"""The legacy gateway's ConfigMap: which requests are refused, and with which words."""

from typing import Any

import pytest

from app.migration.legacy_config import check
from app.model.core import ConfigMap
from app.model.mode import LegacyMode
from tests.unit.legacy_config_maps import (
    ALERT_RULES,
    DOMAIN,
    GATEWAY_RULES,
    LEGACY,
    LIMITS,
    config_map,
    enforce,
    refusal,
)


@pytest.mark.parametrize(
    ("name", "namespace", "data", "refused"),
    [
        pytest.param("image-registry-limit-config", "cpaas-system", LIMITS, True, id="its name"),
        pytest.param("registry-gateway-config", "cpaas-system", LIMITS, True, id="its old name"),
        pytest.param(
            "image-registry-limit-config", "team-a", LIMITS, True, id="its name in any namespace"
        ),
        pytest.param(
            "registry-gateway-config", "team-a", {"rules": ALERT_RULES}, True, id="by name any key"
        ),
        pytest.param(
            "image-registry-limit-config", "cpaas-system", {"color": "red"}, True, id="no key"
        ),
        pytest.param("registry-gateway-config", "team-a", {}, True, id="its defaults"),
        pytest.param("other", "cpaas-system", {}, False, id="no data"),
        pytest.param("other", "cpaas-system", {"max_image_size": "1GB"}, True, id="size by key"),
        pytest.param("other", "cpaas-system", {"tag_count_limit": "1"}, True, id="tags by key"),
        pytest.param("other", "cpaas-system", {"rules": GATEWAY_RULES}, True, id="rules by key"),
        pytest.param("other", "cpaas-system", {"rules": ALERT_RULES}, False, id="other rules"),
        pytest.param("other", "cpaas-system", {"rules": "not: [yaml"}, False, id="other text"),
        pytest.param("other", "team-a", LIMITS, False, id="keys in another namespace"),
    ],
)
def test_legacy_config_map_is_recognised(
    name: str, namespace: str, data: dict[str, str], refused: bool
) -> None:
    assert enforce(config_map(data, name, namespace)).allowed is not refused


@pytest.mark.parametrize(
    ("namespace", "refused"), [("cpaas-system", False), ("acp-1", True), ("acp", False)]
)
def test_legacy_names_and_namespaces_are_settings(namespace: str, refused: bool) -> None:
    settings: dict[str, Any] = {"names": ["mine"], "key_namespaces": ["acp-*"]}
    assert enforce(config_map(LIMITS, namespace=namespace), **settings).allowed is not refused
    assert not enforce(config_map(LIMITS, "mine", namespace), **settings).allowed


@pytest.mark.parametrize(
    ("before", "after", "refused"),
    [
        pytest.param(LEGACY, {}, False, id="all keys removed"),
        pytest.param(LEGACY, {"color": "red"}, False, id="all keys removed, another added"),
        pytest.param(LEGACY, LIMITS, False, id="one key removed"),
        pytest.param(LEGACY, LEGACY, False, id="only metadata changed"),
        pytest.param(LEGACY, {**LEGACY, "color": "red"}, False, id="another key changed"),
        pytest.param(LEGACY, {**LEGACY, "tag_count_limit": "51"}, True, id="a value changed"),
        pytest.param(LIMITS, LEGACY, True, id="a key added"),
        pytest.param(LIMITS, {"rules": GATEWAY_RULES}, True, id="a key added, others removed"),
        pytest.param({}, LIMITS, True, id="the first keys"),
    ],
)
def test_updates_may_only_remove_legacy_keys(
    before: dict[str, str], after: dict[str, str], refused: bool
) -> None:
    new = config_map(after, deletionTimestamp="2026-01-01T00:00:00Z")
    assert enforce(new, config_map(before)).allowed is not refused


@pytest.mark.parametrize(
    ("mode", "violations", "warnings"), [("enforce", 1, 0), ("warn", 0, 1), ("off", 0, 0)]
)
def test_legacy_mode_enforces_warns_or_ignores(
    mode: LegacyMode, violations: int, warnings: int
) -> None:
    verdict = check(config_map(LIMITS), mode=mode, domain=DOMAIN)
    assert (len(verdict.violations), len(verdict.warnings)) == (violations, warnings)


def test_a_warning_names_the_object_and_its_limits() -> None:
    assert check(config_map(LEGACY), mode="warn", domain=DOMAIN).warnings == [
        "Registry v2 does not read limits of the legacy gateway, use LimitRange and ResourceQuota: "
        "ConfigMap cpaas-system/image-registry-limit-config (images up to 2Gi, "
        "50 tags per repository, rules: 1)"
    ]


@pytest.mark.parametrize(
    "new",
    [config_map(LIMITS, name="n" * 253), config_map({"max_image_size": "x" * 10_000})],
    ids=["long name", "long value"],
)
def test_long_warning_is_cut_at_the_api_servers_limit(new: ConfigMap) -> None:
    (warning,) = check(new, mode="warn", domain=DOMAIN).warnings
    assert len(warning) == 256
    assert "use LimitRange and ResourceQuota: ConfigMap cpaas-system/" in warning
    assert warning.endswith("…")


def test_warning_at_the_limit_is_not_cut() -> None:
    def warned(name: str) -> str:
        (warning,) = check(config_map(LIMITS, name=name), mode="warn", domain=DOMAIN).warnings
        return warning

    room = 256 - len(warned("n")) + 1

    assert len(warned("n" * room)) == 256
    assert "…" not in warned("n" * room)
    assert warned("n" * (room + 1)).endswith("…")


def test_a_refusal_names_the_limits_and_the_rule() -> None:
    violation = refusal(LEGACY)
    assert violation.reason == "LegacyLimits"
    assert violation.message == (
        "it holds limits of the legacy registry "
        "gateway (images up to 2Gi, 50 tags per repository, rules: 1). In Registry v2, image size "
        "and tag-count limits are represented with Kubernetes LimitRange and ResourceQuota objects"
    )
