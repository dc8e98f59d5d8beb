"""Checks of `spec.affinity`, which the operator copies into Pods of the registry or the pruner."""

from app.model.scheduling import Affinity, NodeAffinity, PodAffinity, PodTerm
from app.policy.names import is_label, placeholders
from app.policy.operator.field_checks import shown
from app.policy.operator.selectors import (
    Problems,
    of_label_keys,
    of_node_term,
    of_selector,
    of_topology_key,
)
from app.policy.verdict import Verdict

_NODES, _PODS, _AWAY = (
    f"spec.affinity.{kind}" for kind in ("nodeAffinity", "podAffinity", "podAntiAffinity")
)
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def check(verdict: Verdict, affinity: Affinity) -> None:
    """Refuse what the API server or the scheduler refuses in a Pod, and what no node fulfils. Warn
    about parts without effect."""
    _check_nodes(verdict, affinity.node_affinity)
    _check_pods(verdict, _PODS, affinity.pod_affinity)
    _check_pods(verdict, _AWAY, affinity.pod_anti_affinity)


def _check_nodes(verdict: Verdict, affinity: NodeAffinity) -> None:
    required = f"{_NODES}.{_REQUIRED}.nodeSelectorTerms"
    terms = affinity.required.node_selector_terms if affinity.required else []
    matches_nothing = all(term.is_empty for term in terms)
    if affinity.required is not None and matches_nothing:
        next_step = "describe the nodes with matchExpressions"
        verdict.deny("InvalidAffinity", f"{required} matches no node", next_step)
    for index, term in enumerate(terms):
        path = f"{required}[{index}]"
        _deny(verdict, of_node_term(path, term))
        if term.is_empty and not matches_nothing:
            _warn(verdict, path)
    for index, preferred in enumerate(affinity.preferred):
        path = f"{_NODES}.{_PREFERRED}[{index}]"
        _deny(verdict, _of_weight(path, preferred.weight))
        _deny(verdict, of_node_term(f"{path}.preference", preferred.preference))
        if preferred.preference.is_empty:
            _warn(verdict, path)


def _check_pods(verdict: Verdict, kind: str, affinity: PodAffinity) -> None:
    for index, term in enumerate(affinity.required):
        path = f"{kind}.{_REQUIRED}[{index}]"
        _deny(verdict, _of_pod_term(path, term))
        if term.label_selector is None and kind == _AWAY:
            _warn(verdict, path)
        elif term.label_selector is None:
            problem = f"{path} has no labelSelector and matches no Pod, so no node fulfils it"
            next_step = "set labelSelector to the labels of the Pods to be near to"
            verdict.deny("InvalidAffinity", problem, next_step)
    for index, preferred in enumerate(affinity.preferred):
        path = f"{kind}.{_PREFERRED}[{index}]"
        _deny(verdict, _of_weight(path, preferred.weight))
        _deny(verdict, _of_pod_term(f"{path}.podAffinityTerm", preferred.term))
        if preferred.term.label_selector is None:
            _warn(verdict, path)


def _of_pod_term(path: str, term: PodTerm) -> Problems:
    yield from of_topology_key(path, term.topology_key)
    yield from of_selector(f"{path}.labelSelector", term.label_selector)
    yield from of_selector(f"{path}.namespaceSelector", term.namespace_selector)
    yield from of_label_keys(path, term)
    for name in term.namespaces:
        if not is_label(name) and not placeholders(name):
            yield (
                f"{path}.namespaces has {shown(name)}, which no namespace can be named",
                "name one namespace in full: patterns are not supported",
            )


def _of_weight(path: str, weight: int) -> Problems:
    if not 1 <= weight <= 100:
        yield f"{path}.weight is {weight}, not between 1 and 100", "set it to a number in between"


def _deny(verdict: Verdict, problems: Problems) -> None:
    for problem, next_step in problems:
        verdict.deny("InvalidAffinity", problem, next_step)


def _warn(verdict: Verdict, path: str) -> None:
    verdict.warn(f"{path} has no effect: complete it, or remove it")
