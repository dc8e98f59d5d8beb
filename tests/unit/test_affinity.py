"""`spec.affinity` of Config/cluster and ImagePruner."""

from typing import Any

import pytest

from app.policy.verdict import Verdict
from tests.unit.registry_configs import reasons
from tests.unit.test_placement import check_both

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
NODES = f"spec.affinity.nodeAffinity.{REQUIRED}.nodeSelectorTerms"
AWAY_TERM = f"spec.affinity.podAntiAffinity.{REQUIRED}[0]"
AS_SHOWN = "write it as `kubectl get --show-labels` shows it"
INFRA: dict[str, Any] = {"key": "node-role.kubernetes.io/infra", "operator": "Exists"}
INFRA_TERM: dict[str, Any] = {"matchExpressions": [INFRA]}
LABELS: dict[str, Any] = {"matchLabels": {"docker-registry": "default"}}
AWAY: dict[str, Any] = {"topologyKey": "kubernetes.io/hostname", "labelSelector": LABELS}


def require_node(*requirements: object) -> dict[str, Any]:
    """An affinity with one term of these expressions."""
    terms = [{"matchExpressions": list(requirements)}]
    return {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": terms}}}


def prefer_node(weight: int, requirement: object) -> dict[str, Any]:
    """An affinity with one preferred term of one expression."""
    preference = {"matchExpressions": [requirement]}
    return {"nodeAffinity": {PREFERRED: [{"weight": weight, "preference": preference}]}}


def require_field(**requirement: object) -> dict[str, Any]:
    """An affinity with one term of one field."""
    terms = [{"matchFields": [requirement]}]
    return {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": terms}}}


def require_away(**changed: object) -> dict[str, Any]:
    """An anti-affinity to the registry's other Pods, changed."""
    return {"podAntiAffinity": {REQUIRED: [{**AWAY, **changed}]}}


def check(affinity: object) -> Verdict:
    return check_both({"affinity": affinity})


ALLOWED: list[Any] = [
    None,
    {},
    {"nodeAffinity": None, "podAffinity": {}, "podAntiAffinity": {REQUIRED: None}},
    {"nodeAffinity": {REQUIRED: None, PREFERRED: []}},
    require_node(INFRA),
    require_node({"key": "zone", "operator": "In", "values": ["a", "b", ""]}),
    require_node({"key": "zone", "operator": "DoesNotExist", "values": None}),
    require_node({"key": "cores", "operator": "Gt", "values": ["4"]}),
    require_node({"key": "cores", "operator": "Gt", "values": ["<cores>"]}),
    require_node({"key": "bytes", "operator": "Lt", "values": ["9223372036854775807"]}),
    require_node({"key": "cores", "operator": "Gt", "values": [f"{4:063}"]}),
    require_node({"key": "<label>", "operator": "In", "values": ["<value>"]}),
    require_field(key="metadata.name", operator="NotIn", values=["node-1.example.com"]),
    prefer_node(1, INFRA),
    require_away(),
    require_away(namespaces=["image-registry-system"], namespaceSelector={}),
    require_away(namespaces=["<namespace>"]),
    require_away(labelSelector={"matchLabels": {"<label>": "<value>"}}),
    require_node({"key": "zone", "operator": "<operator>", "values": ["a"]}),
    require_field(key="metadata.name", operator="In", values=["<node>"]),
    require_away(matchLabelKeys=["pod-template-hash"], mismatchLabelKeys=["tenant"]),
    require_away(mismatchLabelKeys=["docker-registry"]),
    {"podAntiAffinity": {PREFERRED: [{"weight": 100, "podAffinityTerm": AWAY}]}},
    {"podAffinity": {REQUIRED: [{**AWAY, "labelSelector": {}}]}},
]


@pytest.mark.parametrize("affinity", ALLOWED, ids=str)
def test_an_affinity_of_a_pod_is_allowed(affinity: object) -> None:
    verdict = check(affinity)
    assert verdict.allowed
    assert not [text for text in verdict.warnings if "placeholder" not in text]


REFUSED: list[tuple[Any, str, str]] = [
    (
        {"nodeAffinity": {REQUIRED: {}}},
        f"{NODES} matches no node",
        "describe the nodes with matchExpressions",
    ),
    (
        {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [{}, {"matchFields": []}]}}},
        f"{NODES} matches no node",
        "describe the nodes with matchExpressions",
    ),
    (
        require_node({"key": "zone", "operator": "in", "values": ["a"]}),
        f'{NODES}[0].matchExpressions[0].operator is "in", not one of In, NotIn, Exists, '
        "DoesNotExist, Gt, Lt",
        "did you mean In?",
    ),
    (
        require_node(INFRA, {"key": "zone", "values": ["a"]}),
        f'{NODES}[0].matchExpressions[1].operator is "", not one of In, NotIn, Exists, '
        "DoesNotExist, Gt, Lt",
        "set it to one of them",
    ),
    (
        require_node({"key": "zone", "operator": "NotIn"}),
        f"{NODES}[0].matchExpressions[0] has operator NotIn and no values",
        "name the values",
    ),
    (
        require_node({**INFRA, "values": [""]}),
        f"{NODES}[0].matchExpressions[0] has operator Exists and values",
        "remove the values",
    ),
    (
        require_node({"key": "cores", "operator": "Lt", "values": ["4 cores"]}),
        f"{NODES}[0].matchExpressions[0] has operator Lt, which takes one whole number",
        'write one number in quotes, such as ["4"]',
    ),
    (
        require_node({"key": "cores", "operator": "Gt", "values": ["4", "5"]}),
        f"{NODES}[0].matchExpressions[0] has operator Gt, which takes one whole number",
        'write one number in quotes, such as ["4"]',
    ),
    (
        require_node({"key": "bytes", "operator": "Gt", "values": ["9223372036854775808"]}),
        f"{NODES}[0].matchExpressions[0] has operator Gt, which takes one whole number",
        'write one number in quotes, such as ["4"]',
    ),
    (
        require_node({"operator": "Exists"}),
        f'{NODES}[0].matchExpressions[0].key has "", which no label can be named',
        AS_SHOWN,
    ),
    (
        require_node({"key": "zone", "operator": "In", "values": ["a", "b c"]}),
        f'{NODES}[0].matchExpressions[0].values has "b c", which no label can have as value',
        AS_SHOWN,
    ),
    (
        require_field(key="metadata.labels", operator="In", values=["a"]),
        f'{NODES}[0].matchFields[0].key is "metadata.labels", not one of metadata.name',
        "did you mean metadata.name?",
    ),
    (
        require_field(key="metadata.name", operator="Exists", values=["a"]),
        f'{NODES}[0].matchFields[0].operator is "Exists", not one of In, NotIn',
        "set it to one of them",
    ),
    (
        require_field(key="metadata.name", operator="In", values=["a", "b"]),
        f"{NODES}[0].matchFields[0] has 2 values, not one",
        "write one entry for each node",
    ),
    (
        require_field(key="metadata.name", operator="In"),
        f"{NODES}[0].matchFields[0] has 0 values, not one",
        "write one entry for each node",
    ),
    (
        require_field(key="metadata.name", operator="In", values=["Node 1"]),
        f'{NODES}[0].matchFields[0].values has "Node 1", which no node can be named',
        "set it to a name that `kubectl get nodes` lists",
    ),
    (
        {"nodeAffinity": {PREFERRED: [{"preference": INFRA_TERM}]}},
        f"spec.affinity.nodeAffinity.{PREFERRED}[0].weight is 0, not between 1 and 100",
        "set it to a number in between",
    ),
    (
        prefer_node(5, {**INFRA, "operator": "Has"}),
        f"spec.affinity.nodeAffinity.{PREFERRED}[0].preference.matchExpressions[0].operator is "
        '"Has", not one of In, NotIn, Exists, DoesNotExist, Gt, Lt',
        "set it to one of them",
    ),
    (
        require_away(topologyKey=""),
        f"{AWAY_TERM}.topologyKey is empty",
        "name a label of nodes, such as kubernetes.io/hostname or topology.kubernetes.io/zone",
    ),
    (
        require_away(topologyKey="a b"),
        f'{AWAY_TERM}.topologyKey has "a b", which no label can be named',
        AS_SHOWN,
    ),
    (
        require_away(labelSelector={"matchLabels": {"app": "a/b"}}),
        f'{AWAY_TERM}.labelSelector.matchLabels has "app": "a/b", which no label can be',
        AS_SHOWN,
    ),
    (
        require_away(labelSelector={"matchLabels": {"a\nb": "a"}}),
        f'{AWAY_TERM}.labelSelector.matchLabels has "a\\nb": "a", which no label can be',
        AS_SHOWN,
    ),
    (
        require_away(
            namespaceSelector={
                "matchExpressions": [{"key": "a", "operator": "Gt", "values": ["b"]}]
            }
        ),
        f"{AWAY_TERM}.namespaceSelector.matchExpressions[0]"
        '.operator is "Gt", not one of In, NotIn, Exists, DoesNotExist',
        "set it to one of them",
    ),
    (
        require_away(namespaces=["team-*"]),
        f'{AWAY_TERM}.namespaces has "team-*", which no namespace can be named',
        "name one namespace in full: patterns are not supported",
    ),
    (
        require_away(matchLabelKeys=["docker-registry"]),
        f'{AWAY_TERM}.matchLabelKeys and labelSelector both have "docker-registry"',
        "keep one of them",
    ),
    (
        require_away(
            labelSelector={"matchExpressions": [{"key": "tenant", "operator": "Exists"}]},
            matchLabelKeys=["tenant"],
        ),
        f'{AWAY_TERM}.matchLabelKeys and labelSelector both have "tenant"',
        "keep one of them",
    ),
    (
        require_away(matchLabelKeys=["tenant", "tenant"]),
        f'{AWAY_TERM}.matchLabelKeys has "tenant" more than once',
        "keep one of them",
    ),
    (
        require_away(matchLabelKeys=["tenant"], mismatchLabelKeys=["tenant"]),
        f'{AWAY_TERM}.matchLabelKeys and mismatchLabelKeys both have "tenant"',
        "keep one of them",
    ),
    (
        require_away(mismatchLabelKeys=["a/b/c"]),
        f'{AWAY_TERM}.mismatchLabelKeys has "a/b/c", which no label can be named',
        AS_SHOWN,
    ),
    (
        {"podAntiAffinity": {PREFERRED: [{"weight": 101, "podAffinityTerm": AWAY}]}},
        f"spec.affinity.podAntiAffinity.{PREFERRED}[0].weight is 101, not between 1 and 100",
        "set it to a number in between",
    ),
    (
        {
            "podAffinity": {
                PREFERRED: [{"weight": 1, "podAffinityTerm": {**AWAY, "topologyKey": "a b"}}]
            }
        },
        f"spec.affinity.podAffinity.{PREFERRED}[0].podAffinityTerm.topologyKey has "
        '"a b", which no label can be named',
        AS_SHOWN,
    ),
    (
        {"podAffinity": {REQUIRED: [{"topologyKey": "kubernetes.io/hostname"}]}},
        f"spec.affinity.podAffinity.{REQUIRED}[0] has no labelSelector and matches no Pod, so "
        "no node fulfils it",
        "set labelSelector to the labels of the Pods to be near to",
    ),
]


@pytest.mark.parametrize(("affinity", "message", "next_step"), REFUSED, ids=str)
def test_an_affinity_that_no_pod_can_have_or_no_node_fulfils_is_refused(
    affinity: object, message: str, next_step: str
) -> None:
    verdict = check(affinity)
    assert reasons(verdict) == ["InvalidAffinity"]
    assert str(verdict.violations[0]) == f"{message}; {next_step}"
    assert verdict.warnings == []


def test_label_keys_need_a_selector() -> None:
    verdict = check(require_away(labelSelector=None, matchLabelKeys=["pod-template-hash"]))
    assert [violation.message for violation in verdict.violations] == [
        f"{AWAY_TERM}.matchLabelKeys is set without labelSelector"
    ]


@pytest.mark.parametrize(
    ("affinity", "path"),
    [
        (
            {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [INFRA_TERM, {}]}}},
            f"nodeAffinity.{REQUIRED}.nodeSelectorTerms[1]",
        ),
        ({"nodeAffinity": {PREFERRED: [{"weight": 1}]}}, f"nodeAffinity.{PREFERRED}[0]"),
        (require_away(labelSelector=None), f"podAntiAffinity.{REQUIRED}[0]"),
        (
            {"podAffinity": {PREFERRED: [{"weight": 1, "podAffinityTerm": {"topologyKey": "a"}}]}},
            f"podAffinity.{PREFERRED}[0]",
        ),
    ],
    ids=str,
)
def test_a_term_without_effect_is_warned_about(affinity: object, path: str) -> None:
    warning = f"spec.affinity.{path} has no effect: complete it, or remove it"
    assert check(affinity) == Verdict(warnings=[warning])
