"""Reading the YAML rules of the legacy gateway's ConfigMap."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.model.legacy import LegacyConfig, LegacyLimits, LegacyRule, is_rule_list, parse
from app.model.legacy_rules import LegacyConfigError
from app.model.quantity import Quantity


def limits(size: str, tags: int) -> LegacyLimits:
    return LegacyLimits(Quantity(size), tags)


TWO = (
    LegacyRule("^a/", limits("2Gi", 5)),
    LegacyRule("^b/", limits("2Gi", 7)),
)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(
            '[\n\t{"path": "^a/", "limit": {"max_image_size": "2GB", "tag_count_limit": 5}},\n'
            '\t{"path": "^b/", "limit": {"max_image_size": "2GB", "tag_count_limit": 7}}\n]',
            id="JSON with tabs",
        ),
        pytest.param(
            "---\r\n- path: ^a/\r\n  limit:\r\n    max_image_size: 2GB\r\n    tag_count_limit: 5"
            "\r\n- path: ^b/\r\n  limit: {max_image_size: 2gb, tag_count_limit: '7'}\r\n...\r\n",
            id="CRLF",
        ),
        pytest.param(
            "\ufeff# teams\n- limit: {tag_count_limit: 5, max_image_size: 2 GB}  # big\n"
            "  path: '^a/'\n- {path: !!str ^b/, limit: {max_image_size: 2GB, tag_count_limit: 7}}",
            id="BOM and comments",
        ),
        pytest.param(
            "- {path: ^a/, limit: &big {max_image_size: 2GB, tag_count_limit: 5}}\n"
            "- {path: ^b/, limit: {<<: *big, tag_count_limit: 7}}",
            id="anchor and merge",
        ),
        pytest.param(
            "- &rule {path: ^a/, limit: &a {max_image_size: 2GB, tag_count_limit: 5}}\n"
            "- {<<: *rule, path: ^b/, limit: {<<: [{tag_count_limit: 7}, *a]}}",
            id="several merges",
        ),
    ],
)
def test_rules_are_read_in_every_form_of_yaml(text: str) -> None:
    assert parse({"rules": text}) == LegacyConfig(limits("1Gi", 1000), TWO)


@pytest.mark.parametrize("text", ["~", "null", "Null", "---\n", "--- ~\n...\n"])
def test_null_is_no_rules(text: str) -> None:
    assert parse({"rules": text}) == LegacyConfig(limits("1Gi", 1000))


def test_keys_that_the_gateway_does_not_read_are_named() -> None:
    data = {
        "max_image_sizes": "5GB",
        "rules": "- {path: ^a/, enabled: false, "
        "limit: {max_image_size: 1GB, tag_count_limit: 1, images: 3}}",
    }
    assert parse(data).unread == ("max_image_sizes", "rules[0].enabled", "rules[0].limit.images")


@pytest.mark.parametrize(
    "text", ["{", "- a\n b: [", "- \0", "\ud800", "--- a\n--- b\n", "? [a]\n: b", "- !x &a"]
)
def test_invalid_yaml_is_named(text: str) -> None:
    with pytest.raises(LegacyConfigError, match=r"^rules(\[0\])?: (is not YAML: |must be)"):
        parse({"rules": text})


BOMB = "- &a {k: x}\n" + "".join(
    f"- &{new} [*{old}, *{old}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)

WIDE = "- &a {" + ", ".join(f"k{number}: x" for number in range(1000)) + "}\n" + "- *a\n" * 1000


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param(BOMB, "is no plain list", id="alias bomb"),
        pytest.param(WIDE, "is no plain list", id="many aliases of a wide rule"),
        pytest.param("&a [*a]", "is no plain list", id="a list in itself"),
        pytest.param("- &a {<<: *a}", "is no plain list", id="a mapping merged into itself"),
        pytest.param("[" * 200_000, "is no plain list", id="deep flow"),
        pytest.param("- " * 100_000, "is no plain list", id="deep block"),
        pytest.param("{a: " * 50_000, "is no plain list", id="deep mappings"),
        pytest.param("{" + "a," * 130_000 + "}", "is no plain list", id="wide"),
        pytest.param(" " * (256 * 1024 + 1), "is longer than 262144 characters", id="long"),
        pytest.param("- a\n" * 10_001, "has 10001 rules, more than 10000", id="many rules"),
    ],
)
def test_hostile_rules_are_refused(text: str, problem: str) -> None:
    with pytest.raises(LegacyConfigError, match=problem):
        parse({"rules": text})


@pytest.mark.parametrize(
    "text", ["- a\n" * 10_000, "- a" + " " * (256 * 1024 - 3)], ids=["rules", "characters"]
)
def test_rules_are_read_up_to_the_bounds(text: str) -> None:
    with pytest.raises(LegacyConfigError, match=r"^rules\[0\]: must be a mapping"):
        parse({"rules": text})


def test_a_thousand_rules_are_read() -> None:
    text = "".join(
        f"- path: ^team-{i}/.+\n  limit: {{max_image_size: 1GB, tag_count_limit: {i}}}\n"
        for i in range(1000)
    )
    config = parse({"rules": text})
    assert config.by_namespace == {f"team-{i}": i for i in range(1000)}


@given(st.text())
def test_any_rules_are_read_or_refused(text: str) -> None:
    try:
        config = parse({"rules": text})
    except LegacyConfigError:
        return
    assert config.limits == limits("1Gi", 1000)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- {path: ^a/, limit: {max_image_size: 1GB, tag_count_limit: 1}}", True),
        ("- {path: a, limit: b}", True),
        ("- other\n- {path: a, limit: {}}", True),
        ("", False),
        ("[]", False),
        ("path: a\nlimit: b", False),
        ("- {path: a}", False),
        ("- alert: Down\n  expr: up == 0", False),
        ("groups:\n- rules: []", False),
        ("not: [yaml", False),
    ],
)
def test_gateway_rules_are_distinguished_from_other_rules(text: str, expected: bool) -> None:
    assert is_rule_list(text) is expected
