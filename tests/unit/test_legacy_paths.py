"""The namespace that a path of the legacy rules means."""

import pytest

from app.model.legacy import (
    LegacyConfig,
    LegacyRule,
    namespace_of,
)
from tests.unit.test_legacy_model import limits


@pytest.mark.parametrize(
    ("path", "namespace"),
    [
        ("^team-a/", "team-a"),
        ("^team-a/.*", "team-a"),
        ("^team-a/.+", "team-a"),
        ("^team-a/.*$", "team-a"),
        ("^team-a/.+$", "team-a"),
        (r"^team\-a/.+", "team-a"),
        (r"^team-a\/.+", "team-a"),
        (r"^team\-a\/", "team-a"),
        ("^a/", "a"),
        ("^0/", "0"),
        ("^a--b/", "a--b"),
        (f"^{'a' * 63}/", "a" * 63),
    ],
)
def test_rule_for_one_whole_namespace(path: str, namespace: str) -> None:
    assert namespace_of(path) == namespace


@pytest.mark.parametrize(
    "path",
    [
        "",
        "^",
        "^/",
        ".*",
        "^.*/.*",
        "team-a/.*",
        "team-a/",
        "^team-a",
        "^team-a$",
        "^team-a/$",
        "^team-.*",
        "^team-./.*",
        "^team.a/.*",
        "^team-[ab]/.*",
        "^(team-a|team-b)/.*",
        "^team-a?/.*",
        "^team-a+/.*",
        "^team-a*/.*",
        "^team-a/big/.*",
        "^team-a/big",
        "^team-a/.",
        "^team-a/.*x",
        "^team-a/.*$x",
        "^team-a/[^/]+$",
        "^team-a/.*|",
        "^team-a/|^team-b/",
        "(?i)^team-a/",
        "^Team-a/",
        "^-a/",
        "^a-/",
        r"^a\-/",
        r"^\a/",
        r"^team\.a/",
        r"^team-a\\/",
        r"^\d/",
        "^team-a/\n",
        "^team-a/.*\n",
        " ^team-a/",
        f"^{'a' * 64}/",
        "^é/",
    ],
)
def test_other_rules_name_no_namespace(path: str) -> None:
    assert namespace_of(path) is None


def test_a_hostile_path_names_no_namespace() -> None:
    assert namespace_of("^" + "a-" * 100_000 + "!") is None
    assert namespace_of("^" + r"\-" * 100_000) is None


def test_the_first_rule_of_a_namespace_wins() -> None:
    config = LegacyConfig(
        limits("1Gi", 1),
        (
            LegacyRule("^a/", limits("1Mi", 1)),
            LegacyRule("^a/big", limits("2Mi", 2)),
            LegacyRule("^a/.*", limits("3Mi", 3)),
            LegacyRule(".*", limits("4Mi", 4)),
        ),
    )
    assert config.by_namespace == {"a": 0}
    assert config.inexpressible == {1: config.rules[1], 3: config.rules[3]}
