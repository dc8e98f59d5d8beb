"""Checks of the selectors in an affinity or a spread constraint.

The rules are those by which the API server validates a Pod, and those by which the scheduler reads
it. Each check yields pairs of a problem and a next step.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from app.model.scheduling import LabelSelector, NodeTerm, PodTerm, Requirement, SpreadConstraint
from app.policy.names import is_label_name, is_label_value, is_subdomain, placeholders
from app.policy.operator.field_checks import close_to, shown

Problems = Iterator[tuple[str, str]]

_SETS, _FLAGS, _NUMBERS = ("In", "NotIn"), ("Exists", "DoesNotExist"), ("Gt", "Lt")
_INTEGER = re.compile(r"[0-9]{1,63}", re.ASCII)
_TOO_LARGE = 2**63
"""The scheduler reads numbers of 64 bits."""
_NODE_NAME = "metadata.name"
_LABELS = "write it as `kubectl get --show-labels` shows it"


def of_node_term(path: str, term: NodeTerm) -> Problems:
    """The problems of one term of a node affinity."""
    for index, requirement in enumerate(term.match_expressions):
        where = f"{path}.matchExpressions[{index}]"
        yield from _of_requirement(where, requirement, (*_SETS, *_FLAGS, *_NUMBERS))
    for index, requirement in enumerate(term.match_fields):
        yield from _of_field(f"{path}.matchFields[{index}]", requirement)


def of_selector(path: str, selector: LabelSelector | None) -> Problems:
    """The problems of a label selector."""
    if selector is None:
        return
    for key, value in selector.match_labels.items():
        valid = is_label_name(key) and is_label_value(value)
        if not valid and not placeholders(key + value):
            label = f"{shown(key)}: {shown(value)}"
            yield f"{path}.matchLabels has {label}, which no label can be", _LABELS
    for index, requirement in enumerate(selector.match_expressions):
        where = f"{path}.matchExpressions[{index}]"
        yield from _of_requirement(where, requirement, (*_SETS, *_FLAGS))


def of_label_keys(path: str, owner: PodTerm | SpreadConstraint) -> Problems:
    """The problems of `matchLabelKeys` and `mismatchLabelKeys`."""
    selector, match = owner.label_selector, owner.match_label_keys
    mismatch = owner.mismatch_label_keys if isinstance(owner, PodTerm) else []
    selected = {*selector.match_labels} if selector else set()
    selected |= {one.key for one in selector.match_expressions} if selector else set()
    for field, keys in (("matchLabelKeys", match), ("mismatchLabelKeys", mismatch)):
        if keys and selector is None:
            yield f"{path}.{field} is set without labelSelector", "set a labelSelector, too"
        for key in keys:
            yield from of_label_name(f"{path}.{field}", key)
    for key, count in Counter(match).items():
        if count > 1:
            yield f"{path}.matchLabelKeys has {shown(key)} more than once", "keep one of them"
        if key in selected or key in mismatch:
            other = "labelSelector" if key in selected else "mismatchLabelKeys"
            yield f"{path}.matchLabelKeys and {other} both have {shown(key)}", "keep one of them"


def of_topology_key(path: str, key: str) -> Problems:
    if not key:
        yield (
            f"{path}.topologyKey is empty",
            "name a label of nodes, such as kubernetes.io/hostname or topology.kubernetes.io/zone",
        )
    else:
        yield from of_label_name(f"{path}.topologyKey", key)


def of_choice(path: str, value: str, known: Sequence[str]) -> Problems:
    """The problem of a value that has to be one of `known`."""
    if value not in known and not placeholders(value):
        close = close_to(value, known)
        next_step = f"did you mean {close}?" if close else "set it to one of them"
        yield f"{path} is {shown(value)}, not one of {', '.join(known)}", next_step


def of_label_name(path: str, key: str) -> Problems:
    if not is_label_name(key) and not placeholders(key):
        yield f"{path} has {shown(key)}, which no label can be named", _LABELS


def _of_label_value(path: str, value: str) -> Problems:
    if not is_label_value(value) and not placeholders(value):
        yield f"{path} has {shown(value)}, which no label can have as value", _LABELS


def _of_requirement(path: str, requirement: Requirement, operators: Sequence[str]) -> Problems:
    operator, values = requirement.operator, requirement.values
    yield from of_choice(f"{path}.operator", operator, operators)
    yield from of_label_name(f"{path}.key", requirement.key)
    if operator in _SETS and not values:
        yield f"{path} has operator {operator} and no values", "name the values"
    elif operator in _FLAGS and values:
        yield f"{path} has operator {operator} and values", "remove the values"
    elif operator in _NUMBERS and operator in operators:
        if len(values) != 1 or not (_is_integer(values[0]) or placeholders(values[0])):
            yield (
                f"{path} has operator {operator}, which takes one whole number",
                'write one number in quotes, such as ["4"]',
            )
        return
    for value in values:
        yield from _of_label_value(f"{path}.values", value)


def _is_integer(value: str) -> bool:
    return bool(_INTEGER.fullmatch(value)) and int(value) < _TOO_LARGE


def _of_field(path: str, requirement: Requirement) -> Problems:
    """A node has one field that a requirement can name, and the requirement one value."""
    values = requirement.values
    yield from of_choice(f"{path}.operator", requirement.operator, _SETS)
    yield from of_choice(f"{path}.key", requirement.key, (_NODE_NAME,))
    if len(values) != 1:
        yield f"{path} has {len(values)} values, not one", "write one entry for each node"
    for value in values:
        if not is_subdomain(value) and not placeholders(value):
            yield (
                f"{path}.values has {shown(value)}, which no node can be named",
                "set it to a name that `kubectl get nodes` lists",
            )
