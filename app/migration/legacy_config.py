"""Refuses the legacy gateway's ConfigMap and shows the objects that replace it.

Rule: "In Registry v2, image size and tag-count limits are represented with Kubernetes LimitRange
and ResourceQuota objects. Do not use the legacy Registry gateway limit ConfigMap for Registry v2
deployments." (Registry v2: Setting Up and Configuring the Registry)
"""

from collections.abc import Collection, Mapping, Sized
from itertools import islice
from typing import Any

import yaml

from app.model.core import ConfigMap
from app.model.domain import ApiDomain
from app.model.legacy import (
    LEGACY_NAMES,
    MAX_IMAGE_SIZE,
    TAG_COUNT_LIMIT,
    LegacyConfig,
    LegacyRule,
    UnitBase,
    is_rule_list,
    legacy_data,
    limit_range,
    parse,
    quoted,
    resource_quota,
)
from app.model.legacy_rules import RULES, LegacyConfigError
from app.model.mode import LegacyMode
from app.policy.names import matches
from app.policy.verdict import MAX_WARNING, Verdict, shortened

KEY_NAMESPACES = ("cpaas-system",)

_ANY_NAMESPACE = "<namespace>"
_EXAMPLE = "# Example numbers: those of the ConfigMap cannot be read.\n"
_EVERY_RULE = (
    "# For every rule: `registry-admission convert FILE`, where FILE holds this ConfigMap.\n"
)
_MAX_SHOWN = 5

_WHY = (
    "In Registry v2, image size and tag-count limits are represented with Kubernetes LimitRange "
    "and ResourceQuota objects"
)


def check(
    config_map: ConfigMap,
    *,
    old: ConfigMap | None = None,
    mode: LegacyMode,
    domain: ApiDomain,
    names: Collection[str] = LEGACY_NAMES,
    key_namespaces: Collection[str] = KEY_NAMESPACES,
    unit_base: UnitBase = 1024,
) -> Verdict:
    """Refuse (`enforce`) or warn about (`warn`) limits that Registry v2 never reads.

    `old` is the object before an update. An update passes if it only removes legacy keys or does
    not change them (labels, owner references, finalizers). A new ConfigMap with one of the
    gateway's names counts even without keys: the gateway uses its defaults for missing keys.
    """
    verdict = Verdict()
    if mode == "off" or not is_legacy(config_map, names, key_namespaces):
        return verdict
    if old is not None and legacy_data(config_map).items() <= legacy_data(old).items():
        return verdict
    try:
        config = parse(legacy_data(config_map), unit_base=unit_base)
    except LegacyConfigError as error:
        content, remedy = f"unreadable: {error}", _generic_remedy(domain)
    else:
        content, remedy = _summary(config), _remedy(config, domain)
    if mode == "warn":
        verdict.warn(shortened(_warning(config_map, content), MAX_WARNING))
    else:
        verdict.deny(
            "LegacyLimits",
            f"it holds limits of the legacy registry gateway ({content}). {_WHY}",
            remedy,
        )
    return verdict


def is_legacy(
    config_map: ConfigMap, names: Collection[str], key_namespaces: Collection[str]
) -> bool:
    """Whether a ConfigMap holds the legacy gateway's limits.

    It does if it has one of the gateway's names. It also does if a glob of `key_namespaces` matches
    its namespace and it has `max_image_size`, `tag_count_limit`, or `rules` in the gateway's
    format. The key `rules` alone proves nothing: ConfigMaps of alerts have it, too.
    """
    data = legacy_data(config_map)
    if config_map.metadata.name in names:
        return True
    namespace = config_map.metadata.namespace
    if not data or not matches(namespace, key_namespaces):
        return False
    return MAX_IMAGE_SIZE in data or TAG_COUNT_LIMIT in data or is_rule_list(data[RULES])


def _summary(config: LegacyConfig) -> str:
    limits = config.limits
    return (
        f"images up to {limits.max_image_size}, {limits.tag_count_limit} tags per repository, "
        f"rules: {len(config.rules)}"
    )


def _warning(config_map: ConfigMap, content: str) -> str:
    return (
        "Registry v2 does not read limits of the legacy gateway, use LimitRange and ResourceQuota: "
        f"{config_map.title} ({content})"
    )


def _remedy(config: LegacyConfig, domain: ApiDomain) -> str:
    named, others = config.by_namespace, config.inexpressible
    return (
        _for_each_namespace(config.limits.limit_range(domain, _ANY_NAMESPACE), domain)
        + "".join(
            "---\n"
            + _earlier(others, index)
            + _dump(config.rules[index].limits.limit_range(domain, namespace))
            for namespace, index in islice(named.items(), _MAX_SHOWN)
        )
        + _more(named, "that name one namespace each")
        + "".join(
            f"# Not expressible per namespace: {_rule(index, rule)}\n"
            for index, rule in islice(others.items(), _MAX_SHOWN)
        )
        + _more(others, "not expressible per namespace")
        + (_EVERY_RULE if others or len(named) > _MAX_SHOWN else "")
    )


def _earlier(others: Mapping[int, LegacyRule], index: int) -> str:
    """A comment on the first rule that the gateway tries before the rule at `index`."""
    first = next(iter(others), index)
    if first >= index:
        return ""
    rule = _rule(first, others[first])
    return f"# Repositories that match {rule} had the limits of that earlier rule.\n"


def _rule(index: int, rule: LegacyRule) -> str:
    return f"{RULES}[{index}] {quoted(rule.path)}"


def _more(rules: Sized, which: str) -> str:
    hidden = len(rules) - _MAX_SHOWN
    return f"# More rules {which}: {hidden}\n" if hidden > 0 else ""


def _generic_remedy(domain: ApiDomain) -> str:
    """The example objects of Registry v2's page, for limits that cannot be read."""
    per_stream = {domain.images: "100", domain.image_tags: "100"}
    limits = limit_range(domain, _ANY_NAMESPACE, "1Gi", per_stream)
    return _for_each_namespace(limits, domain, _EXAMPLE)


def _for_each_namespace(limits: dict[str, Any], domain: ApiDomain, comment: str = "") -> str:
    hard = {domain.imagestreams: "20", domain.images: "200", domain.image_tags: "200"}
    quota = resource_quota(_ANY_NAMESPACE, hard)
    return (
        f"apply this to each {_ANY_NAMESPACE} that holds images instead:\n"
        f"---\n{comment}{_dump(limits)}"
        "---\n"
        "# Optional: a total for the namespace. The legacy limits have none to derive it from,\n"
        "# these are example numbers: choose your own.\n"
        f"{_dump(quota)}"
    )


def _dump(manifest: dict[str, Any]) -> str:
    return yaml.dump(manifest, Dumper=yaml.CSafeDumper, sort_keys=False)
