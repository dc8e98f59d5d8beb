"""The ConfigMap of the legacy registry gateway: its limits, and the objects that replace them.

Keys: `max_image_size` (default 1GB), `tag_count_limit` (default 1000) and `rules`, a YAML list of
`{path: <regex>, limit: {max_image_size, tag_count_limit}}`. The first rule that matches applies.
"""

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any, Literal

from app.model import legacy_rules
from app.model.core import ConfigMap
from app.model.domain import ApiDomain
from app.model.legacy_rules import RULES, LegacyConfigError
from app.model.quantity import Quantity

UnitBase = Literal[1000, 1024]

LEGACY_NAMES = ("image-registry-limit-config", "registry-gateway-config")
"""Names of the ConfigMap in the current and in older releases."""
MAX_IMAGE_SIZE = "max_image_size"
TAG_COUNT_LIMIT = "tag_count_limit"
LEGACY_KEYS = frozenset({MAX_IMAGE_SIZE, TAG_COUNT_LIMIT, RULES})

_DEFAULT_SIZE = "1GB"
_DEFAULT_TAGS = "1000"
_MAX_RULES = 10_000
_MAX_TOLD = 20
_MAX_QUOTED = 100
_NO_LIMIT = Quantity.of_bytes(0)
_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,15})?) ?([KMG]?)B", re.ASCII | re.IGNORECASE)
_COUNT = re.compile(r"\d{1,15}", re.ASCII)
_SUFFIXES: dict[UnitBase, dict[str, str]] = {
    1000: {"": "", "K": "k", "M": "M", "G": "G"},
    1024: {"": "", "K": "Ki", "M": "Mi", "G": "Gi"},
}
_LABEL = r"[a-z0-9](?:\\?-|[a-z0-9])*"
_WHOLE_NAMESPACE = re.compile(rf"\^({_LABEL})\\?/(?:\.[*+]\$?)?")
_MAX_LABEL = 63


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
    unread: tuple[str, ...] = ()
    """Keys that the gateway does not read, such as `rules[0].limits`."""

    @property
    def by_namespace(self) -> dict[str, int]:
        """The index of the first rule for each namespace that a rule names."""
        found: dict[str, int] = {}
        for index, rule in enumerate(self.rules):
            namespace = namespace_of(rule.path)
            if namespace is not None:
                found.setdefault(namespace, index)
        return found

    @property
    def inexpressible(self) -> dict[int, LegacyRule]:
        """The rules, by index, that do not match exactly one whole namespace."""
        return {i: rule for i, rule in enumerate(self.rules) if namespace_of(rule.path) is None}


def parse(data: Mapping[str, str], *, unit_base: UnitBase = 1024) -> LegacyConfig:
    """Parse the data of the gateway's ConfigMap.

    One GB is 2^30 bytes unless `unit_base` is 1000: Registry v2's page replaces 1GB by 1Gi, and the
    larger reading never refuses an image that the gateway allowed. Zero is zero. Raises
    LegacyConfigError, which names everything that cannot be read.
    """
    reader = _Reader(unit_base)
    reader.look_for_others(data, "", LEGACY_KEYS)
    limits, rules = reader.limits(data, ""), reader.rules(data.get(RULES, ""))
    if reader.problems:
        more = len(reader.problems) - _MAX_TOLD
        told = [*reader.problems[:_MAX_TOLD], *([f"and {more} more"] if more > 0 else [])]
        raise LegacyConfigError("; ".join(told))
    return LegacyConfig(limits, rules, tuple(reader.unread))


def is_rule_list(text: str) -> bool:
    """Whether text is a list of gateway rules: YAML with an entry that has path and limit."""
    try:
        content = legacy_rules.read(text, [])
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


class _Reader:
    """Reads limits and rules, and collects what is wrong with them."""

    def __init__(self, unit_base: UnitBase) -> None:
        self._suffixes = _SUFFIXES[unit_base]
        self.problems: list[str] = []
        self.unread: list[str] = []

    def look_for_others(self, data: Mapping[str, Any], where: str, known: Set[str]) -> None:
        """Note the keys that are none of these."""
        self.unread += [f"{where}{key[:_MAX_QUOTED]}" for key in data if key not in known]

    def limits(self, data: Mapping[str, Any], where: str) -> LegacyLimits:
        size = data.get(MAX_IMAGE_SIZE, _DEFAULT_SIZE)
        tags = data.get(TAG_COUNT_LIMIT, _DEFAULT_TAGS)
        return LegacyLimits(
            self._size(size, where + MAX_IMAGE_SIZE), self._count(tags, where + TAG_COUNT_LIMIT)
        )

    def rules(self, text: str) -> tuple[LegacyRule, ...]:
        try:
            content = legacy_rules.read(text, self.problems) or []
        except LegacyConfigError as error:
            self.problems.append(str(error))
            return ()
        if not isinstance(content, list):
            self.problems.append(f"{RULES}: must be a YAML list of {{path, limit}}")
            return ()
        if len(content) > _MAX_RULES:
            self.problems.append(f"{RULES}: has {len(content)} rules, more than {_MAX_RULES}")
            return ()
        rules = (self._rule(rule, f"{RULES}[{index}]") for index, rule in enumerate(content))
        return tuple(filter(None, rules))

    def _rule(self, rule: Any, where: str) -> LegacyRule | None:
        if not isinstance(rule, dict) or not isinstance(rule.get("limit"), dict):
            self.problems.append(f"{where}: must be a mapping with path and limit")
            return None
        limit = rule["limit"]
        self.look_for_others(rule, f"{where}.", {"path", "limit"})
        self.look_for_others(limit, f"{where}.limit.", {MAX_IMAGE_SIZE, TAG_COUNT_LIMIT})
        missing = [key for key in (MAX_IMAGE_SIZE, TAG_COUNT_LIMIT) if key not in limit]
        for key in missing:
            self.problems.append(f"{where}.limit.{key}: is missing, a rule sets both limits")
        path = self._text(rule.get("path"), f"{where}.path")
        return LegacyRule(path, self.limits(limit, f"{where}.limit."))

    def _size(self, value: Any, where: str) -> Quantity:
        text = self._text(value, where)
        match = _SIZE.fullmatch(text.strip())
        if match is None:
            if isinstance(value, str):
                problem = f"{quoted(text)} is not a size such as 1GB or 512.5 MB"
                self.problems.append(f"{where}: {problem}")
            return _NO_LIMIT
        size = Quantity(match[1] + self._suffixes[match[2].upper()])
        return size if size.is_integer else Quantity.of_bytes(size.value)

    def _count(self, value: Any, where: str) -> int:
        text = self._text(value, where)
        if _COUNT.fullmatch(text.strip()):
            return int(text)
        if isinstance(value, str):
            problem = f"{quoted(text)} is not a number of tags such as 1000"
            self.problems.append(f"{where}: {problem}")
        return 0

    def _text(self, value: Any, where: str) -> str:
        if isinstance(value, str):
            return value
        self.problems.append(f"{where}: must be text")
        return ""
