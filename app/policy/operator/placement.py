"""Checks of the nodes on which the registry and its pruner run.

The operator copies these fields into a Pod. The API server refuses a Pod whose fields are wrong,
and the schema of the operator's objects does not check them.
"""

from app.model.scheduling import Placement, Toleration
from app.policy.names import is_label_name, is_label_value, placeholders
from app.policy.operator import affinity
from app.policy.operator.field_checks import check_choice, shown
from app.policy.verdict import Verdict

_OPERATORS = ("Exists", "Equal")
_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_AS_THE_NODE_HAS_IT = "write it as `kubectl describe node` shows it"


def check(verdict: Verdict, spec: Placement) -> None:
    for key, value in spec.node_selector.items():
        wrong = not is_label_name(key) or not is_label_value(value)
        if wrong and not placeholders(key + value):
            verdict.deny(
                "InvalidNodeSelector",
                f"spec.nodeSelector has {shown(key)}: {shown(value)}, which no label of a node "
                "can be",
                _AS_THE_NODE_HAS_IT,
            )
    for index, toleration in enumerate(spec.tolerations):
        path = f"spec.tolerations[{index}]"
        check_choice(
            verdict, "InvalidToleration", f"{path}.operator", toleration.operator, _OPERATORS
        )
        check_choice(verdict, "InvalidToleration", f"{path}.effect", toleration.effect, _EFFECTS)
        problem = _problem(toleration)
        if problem and not placeholders(toleration.key + toleration.value):
            verdict.deny("InvalidToleration", f"{path} {problem[0]}", problem[1])
    if spec.affinity is not None:
        affinity.check(verdict, spec.affinity)


def _problem(toleration: Toleration) -> tuple[str, str] | None:
    """What is wrong and what to do; None if a Pod can have the toleration."""
    key, value = toleration.key, toleration.value
    if toleration.operator == "Exists" and value:
        return f"has operator Exists and the value {shown(value)}", "remove the value"
    if not key and toleration.operator != "Exists":
        return "has no key", "name the key of the taint, or set operator to Exists for every taint"
    if key and not is_label_name(key):
        return f"has the key {shown(key)}, which no taint can have", _AS_THE_NODE_HAS_IT
    if not is_label_value(value):
        return f"has the value {shown(value)}, which no taint can have", _AS_THE_NODE_HAS_IT
    if toleration.toleration_seconds is not None and toleration.effect != "NoExecute":
        return "has tolerationSeconds without effect NoExecute", "set the effect, or remove them"
    return None
