"""The ConfigMap of the legacy registry gateway: its limits, and the objects that replace them.

Keys: `max_image_size` (default 1GB), `tag_count_limit` (default 1000) and `rules`, a YAML list of
`{path: <regex>, limit: {max_image_size, tag_count_limit}}`. The first rule that matches applies.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import yaml

from app.model.core import ConfigMap
from app.model.domain import ApiDomain
from app.model.errors import UnusableError
from app.model.quantity import Quantity

UnitBase = Literal[1000, 1024]

LEGACY_NAMES = ("image-registry-limit-config", "registry-gateway-config")
"""Names of the ConfigMap in the current and in older releases."""
MAX_IMAGE_SIZE = "max_image_size"
TAG_COUNT_LIMIT = "tag_count_limit"
RULES = "rules"
LEGACY_KEYS = frozenset({MAX_IMAGE_SIZE, TAG_COUNT_LIMIT, RULES})

_DEFAULT_SIZE = "1GB"
_DEFAULT_TAGS = "1000"
_MAX_TEXT = 256 * 1024
_MAX_RULES = 10_000
_MAX_DEPTH = 8
_MAX_EVENTS = 65_536
_MAX_QUOTED = 100
_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,15})?) ?([KMG]?)B", re.ASCII | re.IGNORECASE)
_COUNT = re.compile(r"\d{1,15}", re.ASCII)
_SUFFIXES: dict[UnitBase, dict[str, str]] = {
    1000: {"": "", "K": "k", "M": "M", "G": "G"},
    1024: {"": "", "K": "Ki", "M": "Mi", "G": "Gi"},
}
_LABEL = r"[a-z0-9](?:\\?-|[a-z0-9])*"
_WHOLE_NAMESPACE = re.compile(rf"\^({_LABEL})\\?/(?:\.[*+]\$?)?")
_MAX_LABEL = 63


class LegacyConfigError(UnusableError, ValueError):
    """Data that the gateway's ConfigMap must not hold. The text names the key and the rule's
    index."""


def legacy_data(config_map: ConfigMap) -> dict[str, str]:
    """The keys that the legacy gateway reads."""
    return {key: text for key, text in config_map.data.items() if key in LEGACY_KEYS}


@dataclass(frozen=True)
class LegacyLimits:
    max_image_size: Quantity
    """A whole number of bytes."""
    tag_count_limit: int
    """Tags of one repository. Registry v2 stores a repository as one ImageStream."""

    def limit_range(self, domain: ApiDomain, namespace: str) -> dict[str, Any]:
        """The LimitRange for these limits in one namespace."""
        tags = {domain.image_tags: str(self.tag_count_limit)}
        return limit_range(domain, namespace, str(self.max_image_size), tags)


@dataclass(frozen=True)
class LegacyRule:
    path: str
    """A regular expression over `<namespace>/<repository>`."""
    limits: LegacyLimits


@dataclass(frozen=True)
class LegacyConfig:
    limits: LegacyLimits
    rules: tuple[LegacyRule, ...] = ()

    @property
    def by_namespace(self) -> dict[str, LegacyLimits]:
        """The limits of each namespace that a rule names. The first rule for a namespace
        applies."""
        found: dict[str, LegacyLimits] = {}
        for rule in self.rules:
            namespace = namespace_of(rule.path)
            if namespace is not None:
                found.setdefault(namespace, rule.limits)
        return found

    @property
    def inexpressible(self) -> dict[int, LegacyRule]:
        """The rules, by index, that do not match exactly one whole namespace."""
        return {i: rule for i, rule in enumerate(self.rules) if namespace_of(rule.path) is None}


def parse(data: Mapping[str, str], *, unit_base: UnitBase = 1024) -> LegacyConfig:
    """Parse the data of the gateway's ConfigMap.

    One GB is 2^30 bytes unless `unit_base` is 1000: Registry v2's page replaces 1GB by 1Gi, and the
    larger reading never refuses an image that the gateway allowed. Zero is zero. Raises
    LegacyConfigError.
    """
    return LegacyConfig(_limits(data, "", unit_base), _rules(data.get(RULES, ""), unit_base))


def is_rule_list(text: str) -> bool:
    """Whether text is a list of gateway rules: YAML with an entry that has path and limit."""
    try:
        content = _yaml(text)
    except LegacyConfigError:
        return False
    return isinstance(content, list) and any(
        isinstance(rule, dict) and {"path", "limit"} <= rule.keys() for rule in content
    )


def namespace_of(path: str) -> str | None:
    r"""The namespace of which a rule's regex matches all repositories, and no others; else None.

    It understands `^team-a/`, `^team-a/.*`, `^team-a/.+`, a `$` after the last two, and the escapes
    `\-` and `\/`. The regex is read as text and never run.
    """
    match = _WHOLE_NAMESPACE.fullmatch(path)
    if match is None:
        return None
    namespace = match[1].replace("\\", "")
    return None if namespace.endswith("-") or len(namespace) > _MAX_LABEL else namespace


def limit_range(
    domain: ApiDomain, namespace: str, image_size: str, per_stream: Mapping[str, str]
) -> dict[str, Any]:
    """A LimitRange manifest like the one on Registry v2's page."""
    return {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": {"name": "image-registry-limits", "namespace": namespace},
        "spec": {
            "limits": [
                {"type": domain.image_type, "max": {"storage": image_size}},
                {"type": domain.stream_type, "max": dict(per_stream)},
            ]
        },
    }


def resource_quota(namespace: str, hard: Mapping[str, str]) -> dict[str, Any]:
    """A ResourceQuota manifest like the one on Registry v2's page."""
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "image-registry-quota", "namespace": namespace},
        "spec": {"hard": dict(hard)},
    }


def quoted(text: str) -> str:
    """Untrusted text in quotes, on one line and bounded."""
    return repr(text) if len(text) <= _MAX_QUOTED else f"{text[:_MAX_QUOTED]!r}…"


def _limits(data: Mapping[str, Any], where: str, unit_base: UnitBase) -> LegacyLimits:
    size = data.get(MAX_IMAGE_SIZE, _DEFAULT_SIZE)
    tags = data.get(TAG_COUNT_LIMIT, _DEFAULT_TAGS)
    return LegacyLimits(
        _size(size, where + MAX_IMAGE_SIZE, unit_base), _count(tags, where + TAG_COUNT_LIMIT)
    )


def _size(value: Any, where: str, unit_base: UnitBase) -> Quantity:
    text = _text(value, where)
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise LegacyConfigError(f"{where}: {quoted(text)} is not a size such as 1GB or 512.5 MB")
    size = Quantity(match[1] + _SUFFIXES[unit_base][match[2].upper()])
    return size if size.is_integer else Quantity.of_bytes(size.value)


def _count(value: Any, where: str) -> int:
    text = _text(value, where)
    if not _COUNT.fullmatch(text.strip()):
        raise LegacyConfigError(f"{where}: {quoted(text)} is not a number of tags such as 1000")
    return int(text)


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise LegacyConfigError(f"{where}: must be text")
    return value


def _rules(text: str, unit_base: UnitBase) -> tuple[LegacyRule, ...]:
    content = _yaml(text) or []
    if not isinstance(content, list):
        raise LegacyConfigError(f"{RULES}: must be a YAML list of {{path, limit}}")
    if len(content) > _MAX_RULES:
        raise LegacyConfigError(f"{RULES}: has {len(content)} rules, more than {_MAX_RULES}")
    return tuple(_rule(rule, f"{RULES}[{i}]", unit_base) for i, rule in enumerate(content))


def _rule(rule: Any, where: str, unit_base: UnitBase) -> LegacyRule:
    if not isinstance(rule, dict) or not isinstance(rule.get("limit"), dict):
        raise LegacyConfigError(f"{where}: must be a mapping with path and limit")
    limit = rule["limit"]
    for key in (MAX_IMAGE_SIZE, TAG_COUNT_LIMIT):
        if key not in limit:
            raise LegacyConfigError(f"{where}.limit.{key}: is missing, a rule sets both limits")
    path = _text(rule.get("path"), f"{where}.path")
    return LegacyRule(path, _limits(limit, f"{where}.limit.", unit_base))


def _yaml(text: str) -> Any:
    """Parse bounded YAML in which every scalar is text: no value becomes a date or an octal
    number."""
    if len(text) > _MAX_TEXT:
        raise LegacyConfigError(f"{RULES}: is longer than {_MAX_TEXT} characters")
    depth = 0
    try:
        for count, event in enumerate(yaml.parse(text, Loader=yaml.CBaseLoader)):
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            # Deep nesting makes the parser quadratic, and aliases grow without bound.
            if depth > _MAX_DEPTH or count > _MAX_EVENTS:
                raise LegacyConfigError(f"{RULES}: is no plain list of {{path, limit}}")
            if isinstance(event, yaml.AliasEvent):
                raise LegacyConfigError(f"{RULES}: YAML aliases are not supported")
        return yaml.CBaseLoader(text).get_single_data()
    except (yaml.YAMLError, UnicodeError) as error:
        problem = " ".join(str(error).split())
        raise LegacyConfigError(f"{RULES}: is not YAML: {problem}") from None
