"""The legacy gateway's ConfigMap: sizes, counts, YAML rules, and regexes that users wrote.

The first line of an input is the regex of a rule, the others are the ConfigMap's `rules`.
"""

from functools import reduce

import re2
import yaml

from app.migration.conversion import Totals, convert
from app.migration.regex_automaton import Automaton
from app.migration.regex_syntax import UnsupportedRegexError
from app.model.domain import ApiDomain
from app.model.legacy import LegacyConfig, parse
from app.model.legacy_rules import LegacyConfigError

from .target import Target

_OPTIONS = re2.Options()
_OPTIONS.log_errors = False
_NAMES = ("team-a/app", "team-a/a", "team-a/app/web", "team-b/app", "a/0", "a.b/c_d", "x--y/z__z")


def check(data: bytes) -> None:
    first, _, rest = data.decode(errors="replace").partition("\n")
    _check_regex(first)
    rule = {"path": first, "limit": {"max_image_size": "1GB", "tag_count_limit": "5"}}
    _check_config({"rules": yaml.safe_dump([rule])})
    _check_config({"rules": rest, "max_image_size": first, "tag_count_limit": "10"})
    _check_config({"max_image_size": "10MB", "tag_count_limit": first})


def _check_regex(regex: str) -> None:
    """A decision about a regex without running it equals the result of RE2."""
    try:
        compiled = re2.compile(regex, _OPTIONS)
        automaton = Automaton(regex)
    except (re2.error, UnsupportedRegexError):
        return
    for name in _NAMES:
        state = reduce(automaton.step, name, automaton.start)
        assert automaton.matches_at_end(state) is bool(compiled.search(name)), (regex, name)


def _check_config(data: dict[str, str]) -> None:
    try:
        config = parse(data)
    except LegacyConfigError as error:
        assert len(str(error)) < 8000
        return
    _check_rules(config, data.get("rules", ""))
    _check_conversion(config)


def _check_rules(config: LegacyConfig, text: str) -> None:
    """Rules that PyYAML reads as text are the same text for this parser."""
    try:
        content = yaml.safe_load(text) or []
    except (yaml.YAMLError, ValueError, RecursionError):
        return
    assert len(content) == len(config.rules)
    for rule, found in zip(content, config.rules, strict=True):
        assert not isinstance(rule["path"], str) or rule["path"] == found.path
        assert rule["path"] is not None
        tags = rule["limit"]["tag_count_limit"]
        assert not isinstance(tags, str) or int(tags) == found.limits.tag_count_limit


def _check_conversion(config: LegacyConfig) -> None:
    """The converted limits refuse no push that the gateway allowed."""
    conversion = convert(config, ["team-a"])
    [converted] = conversion.namespaces
    yaml.safe_dump_all(converted.manifests(ApiDomain(), Totals(images=1)))
    if conversion.undecided:
        return
    for name in (name for name in _NAMES if name.startswith("team-a/")):
        rules = (rule.limits for rule in config.rules if re2.search(rule.path, name, _OPTIONS))
        had = next(rules, config.limits)
        assert had.max_image_size <= converted.limits.max_image_size
        assert had.tag_count_limit <= converted.limits.tag_count_limit


_RULES = """
- path: ^team-a/
  limit: {max_image_size: 2GB, tag_count_limit: "50"}
- path: ^team-[ab]/app$
  limit: {max_image_size: 512.5 MB, tag_count_limit: "7"}
"""
_OTHER_RULES = """
- &rule {path: ^team-a/, limit: &a {max_image_size: 2GB, tag_count_limit: "5"}}
- {<<: *rule, path: ^b/, limit: {<<: [{tag_count_limit: "7"}, *a]}}
- {path: ~, limit: *a, limit: null}
"""

TARGET = Target(
    "legacy",
    check,
    (
        f"^team-a/\n{_OTHER_RULES}".encode(),
        *(
            f"{first}\n{_RULES}".encode()
            for first in (
                "^team-a/", "1GB", "10", "(a*)*b$", "((a{1,50}){1,50}){1,50}", "^team-(a|b)/.+$",
                r"\d+[^/-z](?:x|)*?", "(?i)team", "[[:alpha:]]", "a{2,}{3}", "\\A.\\z", "^*",
            )
        ),
    ),
)  # fmt: skip
