"""The legacy gateway's ConfigMap: refused requests, and the limits that a refusal proposes."""

from typing import Any

import pytest
import yaml

from app.migration.legacy_config import Mode, check
from app.model.core import ConfigMap
from app.model.domain import ApiDomain
from app.model.limits import LimitRange, ResourceQuota, namespace_limits
from app.policy.limit_objects import check_limit_range, check_resource_quota
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


LEGACY = {**LIMITS, "rules": GATEWAY_RULES}


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
def test_legacy_mode_enforces_warns_or_ignores(mode: Mode, violations: int, warnings: int) -> None:
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


def test_a_refusal_shows_the_objects_to_apply() -> None:
    assert (
        refusal(LIMITS).next_step
        == """\
apply this to each <namespace> that holds images instead:
---
apiVersion: v1
kind: LimitRange
metadata:
  name: image-registry-limits
  namespace: <namespace>
spec:
  limits:
  - type: alauda.io/Image
    max:
      storage: 2Gi
  - type: alauda.io/ImageStream
    max:
      alauda.io/image-tags: '50'
---
# Optional: a total for the namespace. The legacy limits have none to derive it from,
# these are example numbers: choose your own.
apiVersion: v1
kind: ResourceQuota
metadata:
  name: image-registry-quota
  namespace: <namespace>
spec:
  hard:
    alauda.io/imagestreams: '20'
    alauda.io/images: '200'
    alauda.io/image-tags: '200'
"""
    )


@pytest.mark.parametrize("domain", [DOMAIN, ApiDomain("openshift.io")], ids=lambda d: d.name)
@pytest.mark.parametrize(
    "data", [LEGACY, {"max_image_size": "?"}], ids=["converted", "the page's own"]
)
def test_offered_replacement_is_valid_and_effective(
    domain: ApiDomain, data: dict[str, str]
) -> None:
    (violation,) = check(config_map(data), mode="enforce", domain=domain).violations
    first, second, *_ = manifests(violation)
    limit_range, quota = LimitRange.model_validate(first), ResourceQuota.model_validate(second)
    assert check_limit_range(limit_range, domain=domain) == Verdict()
    assert check_resource_quota(quota, domain=domain) == Verdict()
    limits = namespace_limits(domain, [limit_range], [quota])
    assert limits.image_size
    assert limits.stream_tags
    assert limits.quotas


def test_unreadable_legacy_limits_offer_the_example_objects() -> None:
    violation = refusal({"max_image_size": "1Gi"})
    assert "(unreadable: max_image_size: '1Gi' is not a size such as 1GB" in violation.message
    assert "\n# Example numbers: those of the ConfigMap cannot be read.\n" in violation.next_step
    limits, quota = manifests(violation)
    assert limits["spec"]["limits"] == [
        {"type": "alauda.io/Image", "max": {"storage": "1Gi"}},
        {
            "type": "alauda.io/ImageStream",
            "max": {"alauda.io/images": "100", "alauda.io/image-tags": "100"},
        },
    ]
    assert quota["spec"]["hard"] == {
        "alauda.io/imagestreams": "20",
        "alauda.io/images": "200",
        "alauda.io/image-tags": "200",
    }


def test_unit_base_is_a_setting() -> None:
    (limits, _) = manifests(refusal({"max_image_size": "1GB"}, unit_base=1000))
    assert limits["spec"]["limits"][0]["max"] == {"storage": "1G"}


def test_rule_for_one_namespace_becomes_its_limit_range() -> None:
    _, _, *others = manifests(refusal(rules("^team-a/.+", "^team-b/")))
    found = {
        other["metadata"]["namespace"]: [item["max"] for item in other["spec"]["limits"]]
        for other in others
    }
    assert found == {
        "team-a": [{"storage": "1Mi"}, {"alauda.io/image-tags": "1"}],
        "team-b": [{"storage": "2Mi"}, {"alauda.io/image-tags": "2"}],
    }
    assert {other["metadata"]["name"] for other in others} == {"image-registry-limits"}


def test_a_limit_range_says_which_earlier_rule_may_take_its_place() -> None:
    data = rules("^team-a/", "-dev/", "^team-b/", ".*-prod", "^team-c/")
    *_, team_a, team_b, team_c = refusal(data).next_step.split("---\n")
    earlier = "# Repositories that match rules[1] '-dev/' had the limits of that earlier rule.\n"
    assert team_a.startswith("apiVersion: v1\n")
    assert team_b.startswith(earlier + "apiVersion: v1\n")
    assert team_c.startswith(earlier + "apiVersion: v1\n")


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (LIMITS, False),
        (rules("^team-a/", "^team-b/.*$"), False),
        (rules("^team-a/", "-dev/"), True),
        (rules(*(f"^team-{i}/" for i in range(6))), True),
        ({"max_image_size": "?"}, False),
    ],
    ids=["no rules", "all shown", "one is not expressible", "more than are shown", "unreadable"],
)
def test_a_refusal_that_does_not_show_everything_names_the_command_that_does(
    data: dict[str, str], told: bool
) -> None:
    command = (
        "# For every rule: registry-admission convert FILE, where FILE holds this ConfigMap.\n"
    )
    assert refusal(data).next_step.endswith(command) is told


@pytest.mark.parametrize("namespace", ["123", "on", "null", "1e3"])
def test_a_namespace_stays_text_in_yaml(namespace: str) -> None:
    *_, last = manifests(refusal(rules(f"^{namespace}/")))
    assert last["metadata"]["namespace"] == namespace


def test_at_most_five_rules_of_each_kind_are_shown() -> None:
    violation = refusal(
        rules(*(f"^team-{i}/" for i in range(8)), *(f"^team-{i}/big" for i in range(7)))
    )
    assert len(manifests(violation)) == 2 + 5
    lines = violation.next_step.splitlines()
    assert "# More rules that name one namespace each: 3" in lines
    assert [line for line in lines if line.startswith("# Not expressible per namespace: ")] == [
        f"# Not expressible per namespace: rules[{i + 8}] '^team-{i}/big'" for i in range(5)
    ]
    assert lines[-2] == "# More rules not expressible per namespace: 2"


@pytest.mark.parametrize(("count", "said"), [(5, False), (6, True)])
def test_hidden_rules_are_counted(count: int, said: bool) -> None:
    next_step = refusal(rules(*(f"^team-{i}/" for i in range(count)))).next_step
    assert ("# More rules that name one namespace each: 1\n" in next_step) is said
    assert ("More rules" in next_step) is said


@pytest.mark.parametrize("path", ["a\nkind: Pod", "a\x85kind: Pod", "a\u2028kind: Pod", "x" * 9999])
def test_a_rule_cannot_write_into_the_yaml(path: str) -> None:
    violation = refusal(rules(path))
    assert [manifest["kind"] for manifest in manifests(violation)] == [
        "LimitRange",
        "ResourceQuota",
    ]
    assert len(violation.next_step.splitlines()[-2]) < 200
