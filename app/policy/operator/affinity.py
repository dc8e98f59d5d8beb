"""Checks of `spec.affinity`, which the operator copies into Pods of the registry or the pruner."""

from collections.abc import Iterator

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
    """Refuse what the API server refuses in a Pod, and what no node fulfils. Warn about parts
    without effect."""
    found = (
        *_of_nodes(affinity.node_affinity),
        *_of_pods(_PODS, affinity.pod_affinity),
        *_of_pods(_AWAY, affinity.pod_anti_affinity),
        *_without_selector(affinity.pod_affinity),
    )
    for problem, next_step in found:
        verdict.deny("InvalidAffinity", problem, next_step)
    for path in (*_empty_terms(affinity.node_affinity), *_ignored(affinity)):
        verdict.warn(f"{path} has no effect: complete it, or remove it")


def _of_nodes(affinity: NodeAffinity) -> Problems:
    if affinity.required is not None:
        path, terms = (
            f"{_NODES}.{_REQUIRED}.nodeSelectorTerms",
            affinity.required.node_selector_terms,
        )
        if all(term.is_empty for term in terms):
            yield f"{path} matches no node", "describe the nodes with matchExpressions"
        for index, term in enumerate(terms):
            yield from of_node_term(f"{path}[{index}]", term)
    for index, preferred in enumerate(affinity.preferred):
        path = f"{_NODES}.{_PREFERRED}[{index}]"
        yield from _of_weight(path, preferred.weight)
        yield from of_node_term(f"{path}.preference", preferred.preference)


def _of_pods(path: str, affinity: PodAffinity) -> Problems:
    for index, term in enumerate(affinity.required):
        yield from _of_pod_term(f"{path}.{_REQUIRED}[{index}]", term)
    for index, preferred in enumerate(affinity.preferred):
        where = f"{path}.{_PREFERRED}[{index}]"
        yield from _of_weight(where, preferred.weight)
        yield from _of_pod_term(f"{where}.podAffinityTerm", preferred.term)


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


def _without_selector(affinity: PodAffinity) -> Problems:
    for index, term in enumerate(affinity.required):
        if term.label_selector is None:
            yield (
                f"{_PODS}.{_REQUIRED}[{index}] has no labelSelector and matches no Pod, so no node "
                "fulfils it",
                "set labelSelector to the labels of the Pods to be near to",
            )


def _empty_terms(affinity: NodeAffinity) -> Iterator[str]:
    terms = affinity.required.node_selector_terms if affinity.required else []
    if not all(term.is_empty for term in terms):
        for index, term in enumerate(terms):
            if term.is_empty:
                yield f"{_NODES}.{_REQUIRED}.nodeSelectorTerms[{index}]"
    for index, preferred in enumerate(affinity.preferred):
        if preferred.preference.is_empty:
            yield f"{_NODES}.{_PREFERRED}[{index}]"


def _ignored(affinity: Affinity) -> Iterator[str]:
    """The terms that match no Pod, and that nothing depends on."""
    for index, term in enumerate(affinity.pod_anti_affinity.required):
        if term.label_selector is None:
            yield f"{_AWAY}.{_REQUIRED}[{index}]"
    for path, kind in ((_PODS, affinity.pod_affinity), (_AWAY, affinity.pod_anti_affinity)):
        for index, preferred in enumerate(kind.preferred):
            if preferred.term.label_selector is None:
                yield f"{path}.{_PREFERRED}[{index}]"
