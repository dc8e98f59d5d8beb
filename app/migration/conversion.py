"""Converts the legacy gateway's limits to objects of Registry v2, one namespace at a time.

The gateway decides by repository: the first rule whose regex matches `<namespace>/<repository>`
wins, and the defaults come last. Registry v2 decides by namespace. If all repositories of a
namespace have the same limits, the namespace gets them. If they differ, the namespace gets the
least strict limits, so that no push is newly refused, and the report names what becomes looser.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import re2

from app.migration.first_match import FirstMatches, OrderedRules
from app.migration.regex_automaton import Automaton
from app.migration.regex_syntax import UnsupportedRegexError
from app.model.domain import ApiDomain
from app.model.legacy import (
    LegacyConfig,
    LegacyLimits,
    LegacyRule,
    quoted,
    resource_quota,
)
from app.model.legacy_rules import RULES
from app.model.mode import Mode

_TOO_INTRICATE = "the rules are too intricate to be decided together"


@dataclass(frozen=True)
class Totals:
    """Counts for a whole namespace. The legacy gateway has none; the user chooses them."""

    imagestreams: int | None = None
    images: int | None = None
    image_tags: int | None = None

    def quota(self, domain: ApiDomain, namespace: str) -> dict[str, Any] | None:
        """The ResourceQuota manifest; None if no count is limited."""
        counts = {
            domain.imagestreams: self.imagestreams,
            domain.images: self.images,
            domain.image_tags: self.image_tags,
        }
        hard = {name: str(count) for name, count in counts.items() if count is not None}
        return resource_quota(namespace, hard) if hard else None


@dataclass(frozen=True)
class Source:
    """Limits of one rule that apply, or may apply, to repositories of a namespace."""

    name: str
    """`rules[0] '^team-a/'`, or `the defaults`."""
    limits: LegacyLimits
    example: str | None
    """A repository with these limits; None if it is undecided whether one exists."""
    problem: str = ""
    """The reason why it is undecided."""


@dataclass(frozen=True)
class NamespaceConversion:
    namespace: str
    sources: tuple[Source, ...]
    """One entry for each rule that may apply, in the order of the rules; never empty."""

    @property
    def limits(self) -> LegacyLimits:
        """The least strict value of each limit."""
        return LegacyLimits(
            max(source.limits.max_image_size for source in self.sources),
            max(source.limits.tag_count_limit for source in self.sources),
        )

    @property
    def exact(self) -> bool:
        """Whether every repository keeps its limits."""
        return all(source.limits == self.limits for source in self.sources)

    @property
    def changes(self) -> list[str]:
        """The limits that become looser, with the reason; empty if the conversion is exact."""
        return [
            _change(source, self.limits) for source in self.sources if source.limits != self.limits
        ]

    def manifests(
        self, domain: ApiDomain, totals: Totals, mode: Mode | None = None
    ) -> list[dict[str, Any]]:
        """The objects to apply. `mode`: the mode of their limits."""
        quota = totals.quota(domain, self.namespace)
        found = [self.limits.limit_range(domain, self.namespace), *([quota] if quota else [])]
        for content in found if mode else ():
            content["metadata"]["annotations"] = {domain.mode_annotation: mode}
        return found


@dataclass(frozen=True)
class Conversion:
    namespaces: tuple[NamespaceConversion, ...]
    undecided: dict[str, str]
    """Undecided rules: name and reason."""
    unused: list[str]
    """Names of the rules that apply to no repository of these namespaces."""

    @property
    def exact(self) -> bool:
        return all(converted.exact for converted in self.namespaces)


def convert(config: LegacyConfig, namespaces: Iterable[str], *, flat: bool = False) -> Conversion:
    """Convert the limits of these namespaces, in alphabetical order.

    `flat`: the caller knows that every repository is `<namespace>/<name>`, without further parts.
    """
    rules = [_rule(index, rule) for index, rule in enumerate(config.rules)]
    ordered = [*rules, _Rule("the defaults", config.limits, Automaton(""))]
    automata = OrderedRules([rule.automaton for rule in ordered])
    converted = tuple(
        NamespaceConversion(
            namespace, _sources(automata.first_matches(namespace, flat=flat), ordered)
        )
        for namespace in sorted(set(namespaces))
    )
    used = {source.name for item in converted for source in item.sources}
    return Conversion(
        converted,
        {rule.name: rule.problem for rule in rules if rule.problem},
        [rule.name for rule in rules if rule.name not in used],
    )


@dataclass(frozen=True)
class _Rule:
    """A rule with its automaton, or the reason why it has none. The defaults are the last rule."""

    name: str
    limits: LegacyLimits
    automaton: Automaton | None
    problem: str = ""


def _rule(index: int, rule: LegacyRule) -> _Rule:
    name = f"{RULES}[{index}] {quoted(rule.path)}"
    problem = _refusal(rule.path)
    if not problem:
        try:
            return _Rule(name, rule.limits, Automaton(rule.path))
        except UnsupportedRegexError as error:
            problem = str(error)
    return _Rule(name, rule.limits, None, problem)


def _refusal(regex: str) -> str:
    """The reason why RE2, which the gateway uses, refuses a regex; empty if it accepts it."""
    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(regex, options)
    except re2.error as error:
        return f"RE2 refuses it: {quoted(error.args[0].decode(errors='replace'))}"
    return ""


def _sources(found: FirstMatches, rules: Sequence[_Rule]) -> tuple[Source, ...]:
    return tuple(
        Source(rule.name, rule.limits, found.examples[index])
        if index in found.examples
        else Source(rule.name, rule.limits, None, rule.problem or _TOO_INTRICATE)
        for index, rule in enumerate(rules)
        if index in found.examples or index in found.undecided
    )


def _change(source: Source, chosen: LegacyLimits) -> str:
    had, differences = source.limits, []
    if had.max_image_size != chosen.max_image_size:
        differences.append(f"images up to {chosen.max_image_size} instead of {had.max_image_size}")
    if had.tag_count_limit != chosen.tag_count_limit:
        differences.append(f"{chosen.tag_count_limit} tags instead of {had.tag_count_limit}")
    if source.example is None:
        who = f"repositories that {source.name} may match ({source.problem})"
    else:
        who = f"repositories such as {source.example} ({source.name})"
    return f"{who} may have {' and '.join(differences)}"
