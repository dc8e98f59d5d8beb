"""Affinities, spread constraints and tolerations of Pods, drawn at random. Most are valid."""

from typing import Any

from hypothesis import strategies as st

from tests.unit.test_affinity import PREFERRED, REQUIRED

Drawn = st.SearchStrategy[Any]


def _mostly(usual: list[Any], odd: list[Any]) -> Drawn:
    """One of the usual values or, once in twenty times, an odd one."""
    return st.integers(1, 20).flatmap(lambda one: st.sampled_from(odd if one == 20 else usual))


def _few(item: Drawn) -> Drawn:
    return st.lists(item, max_size=2)


def _all(**fields: Drawn) -> Drawn:
    """An object with these fields."""
    return st.fixed_dictionaries(fields)


def _some(**fields: Drawn) -> Drawn:
    """An object with some of these fields."""
    return st.fixed_dictionaries({}, optional=fields)


_SETS, _FLAGS = ["In", "NotIn"], ["Exists", "DoesNotExist"]
_KEY = _mostly(
    ["docker-registry", "zone", "x.io/b", "pod-template-hash"],
    ["", "a b", "A/b", "a/b/c", "x" * 64, "-a", "a-", "é", "a\n", "x/", "/x"],
)
_VALUE = _mostly(["", "a", "default", "4", "x" * 63], ["a b", "-1", "é", "a\n", "x" * 64])
_VALUES = st.lists(_VALUE, min_size=1, max_size=2)
_LABEL_EXPRESSION = st.one_of(
    _all(key=_KEY, operator=_mostly(_SETS, [*_FLAGS, "Gt"]), values=_VALUES),
    _all(key=_KEY, operator=_mostly(_FLAGS, [*_SETS, "exists", ""])),
)
_NUMBERS = _mostly([["4"]], [[], ["4", "5"]])
_NODE_EXPRESSION = _LABEL_EXPRESSION | _all(
    key=_KEY, operator=_mostly(["Gt", "Lt"], _FLAGS), values=_NUMBERS
)
_FIELD = _all(
    key=_mostly(["metadata.name"], ["metadata.labels", ""]),
    operator=_mostly(_SETS, ["Exists", "Gt", ""]),
    values=_mostly([["n1"], ["n1.x"]], [["a", "b"], [], ["N 1"], [""]]),
)
_NODE_TERM = _some(matchExpressions=_few(_NODE_EXPRESSION), matchFields=_few(_FIELD))
_SELECTOR = _some(
    matchLabels=st.dictionaries(_KEY, _VALUE, max_size=2),
    matchExpressions=_few(_LABEL_EXPRESSION),
)
_MAYBE_SELECTOR = st.none() | _SELECTOR
_KEYS = _few(_KEY)
_POD_TERM = st.builds(
    lambda needed, more: needed | more,
    _all(topologyKey=_KEY, labelSelector=_MAYBE_SELECTOR),
    _some(
        namespaceSelector=_SELECTOR,
        namespaces=_few(_mostly(["a", "a" * 63], ["a.b", "team-*", "", "A"])),
        matchLabelKeys=_KEYS,
        mismatchLabelKeys=_KEYS,
    ),
)
_WEIGHT = _mostly([1, 50, 100], [0, -1, 101])
_PODS = _some(
    **{REQUIRED: _few(_POD_TERM), PREFERRED: _few(_all(weight=_WEIGHT, podAffinityTerm=_POD_TERM))}
)
_NODES = _some(
    **{
        REQUIRED: _all(nodeSelectorTerms=_few(_NODE_TERM)),
        PREFERRED: _few(_all(weight=_WEIGHT, preference=_NODE_TERM)),
    }
)
_POLICY = _mostly(["Honor", "Ignore", None], ["", "honor"])
_SPREAD = st.builds(
    lambda needed, more: needed | more,
    _all(
        maxSkew=_mostly([1, 2], [0, -1]),
        topologyKey=_KEY,
        whenUnsatisfiable=_mostly(["DoNotSchedule", "ScheduleAnyway"], ["", "Schedule"]),
        labelSelector=_MAYBE_SELECTOR,
    ),
    _some(
        matchLabelKeys=_KEYS,
        minDomains=_mostly([1, None], [0, -1]),
        nodeAffinityPolicy=_POLICY,
        nodeTaintsPolicy=_POLICY,
    ),
)
_TOLERATION = _some(
    key=_KEY,
    operator=_mostly(["Exists", "Equal", ""], ["exists"]),
    value=_VALUE,
    effect=_mostly(["NoExecute", "NoSchedule", ""], ["NoExec"]),
    tolerationSeconds=_mostly([None], [0, -5, 60]),
)
PLACEMENTS = st.one_of(
    _all(affinity=_some(nodeAffinity=_NODES, podAffinity=_PODS, podAntiAffinity=_PODS)),
    _all(topologySpreadConstraints=_few(_SPREAD)),
    _all(tolerations=_few(_TOLERATION), nodeSelector=st.dictionaries(_KEY, _VALUE, max_size=1)),
)
"""Specs of a Config, and parts of the spec of a Pod."""
