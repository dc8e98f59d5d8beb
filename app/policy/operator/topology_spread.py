"""Checks of `spec.topologySpreadConstraints`, which the operator copies into the registry's Pod."""

from collections.abc import Sequence

from app.model.scheduling import SpreadConstraint
from app.policy.operator.field_checks import shown
from app.policy.operator.selectors import (
    Problems,
    of_choice,
    of_label_keys,
    of_selector,
    of_topology_key,
)
from app.policy.verdict import Verdict

_ACTIONS = ("DoNotSchedule", "ScheduleAnyway")
_POLICIES = ("Honor", "Ignore")


def check(verdict: Verdict, constraints: Sequence[SpreadConstraint]) -> None:
    """Refuse what the API server refuses in a Pod. Warn about a constraint that counts no Pods, or
    other Pods as well."""
    known = set[tuple[str, str]]()
    for index, constraint in enumerate(constraints):
        path = f"spec.topologySpreadConstraints[{index}]"
        for problem, next_step in _of(path, constraint):
            verdict.deny("InvalidTopologySpread", problem, next_step)
        identity = (constraint.topology_key, constraint.when_unsatisfiable)
        if identity in known:
            verdict.deny(
                "InvalidTopologySpread",
                f"{path} has the topologyKey {shown(constraint.topology_key)} and the "
                f"whenUnsatisfiable {shown(constraint.when_unsatisfiable)} of an earlier one",
                "keep one of them",
            )
        known.add(identity)
        if constraint.label_selector is None:
            verdict.warn(
                f"{path} has no labelSelector and spreads nothing: set it to the labels of the "
                "registry's Pods"
            )
        elif constraint.label_selector.is_empty:
            verdict.warn(
                f"{path}.labelSelector is empty and counts all Pods of the namespace: set it to "
                "the labels of the registry's Pods"
            )


def _of(path: str, constraint: SpreadConstraint) -> Problems:
    if constraint.max_skew < 1:
        yield f"{path}.maxSkew is {constraint.max_skew}, below 1", "set it to 1 or more"
    yield from of_topology_key(path, constraint.topology_key)
    yield from of_choice(f"{path}.whenUnsatisfiable", constraint.when_unsatisfiable, _ACTIONS)
    yield from of_selector(f"{path}.labelSelector", constraint.label_selector)
    yield from of_label_keys(path, constraint)
    for name, policy in (
        ("nodeAffinityPolicy", constraint.node_affinity_policy),
        ("nodeTaintsPolicy", constraint.node_taints_policy),
    ):
        if policy:
            yield from of_choice(f"{path}.{name}", policy, _POLICIES)
    if constraint.min_domains is None:
        return
    if constraint.min_domains < 1:
        yield f"{path}.minDomains is {constraint.min_domains}, below 1", "set it to 1 or more"
    if constraint.when_unsatisfiable == "ScheduleAnyway":
        yield (
            f"{path} has minDomains and whenUnsatisfiable ScheduleAnyway",
            "remove minDomains, or set whenUnsatisfiable to DoNotSchedule",
        )
