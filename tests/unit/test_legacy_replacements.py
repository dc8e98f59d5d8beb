"""The limits that the refusal of the legacy gateway's ConfigMap proposes."""

import pytest

from app.migration.legacy_config import check
from app.model.domain import ApiDomain
from app.model.limits import LimitRange, ResourceQuota, namespace_limits
from app.policy.limit_objects import check_limit_range, check_resource_quota
from app.policy.verdict import Verdict
from tests.unit.legacy_config_maps import (
    DOMAIN,
    LEGACY,
    LIMITS,
    config_map,
    manifests,
    refusal,
    rules,
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
        "# For every rule: `registry-admission convert FILE`, where FILE holds this ConfigMap.\n"
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
