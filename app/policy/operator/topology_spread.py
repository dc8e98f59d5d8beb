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
    """Refuse what the API server refuses in a Pod, and keys that no node has. Warn about a
    constraint that counts no Pods."""
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
        if lacks := _lacks(constraint):
            verdict.warn(
                f"{path} has {lacks} labelSelector and spreads nothing: set it to the labels of "
                "the registry's Pods"
            )


def _lacks(constraint: SpreadConstraint) -> str:
    """How a constraint lacks a selector. The scheduler counts no Pods with an empty one, unless
    `matchLabelKeys` completes it."""
    selector = constraint.label_selector
    if selector is None:
        return "no"
    return "an empty" if selector.is_empty and not constraint.match_label_keys else ""


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
        if policy is not None:
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
