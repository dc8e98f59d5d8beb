"""Parsing the legacy gateway's ConfigMap, and the LimitRange that replaces its limits."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.model.core import ConfigMap
from app.model.domain import ApiDomain
from app.model.legacy import (
    LegacyConfig,
    LegacyLimits,
    LegacyRule,
    UnitBase,
    legacy_data,
    parse,
    quoted,
)
from app.model.legacy_rules import LegacyConfigError
from app.model.quantity import Quantity

RULES = """\
- path: ^team-a/.+
  limit:
    max_image_size: "100MB"
    tag_count_limit: "3"
- path: ^team-.*
  limit: {max_image_size: 5 GB, tag_count_limit: 20}
"""


def limits(size: str, tags: int) -> LegacyLimits:
    return LegacyLimits(Quantity(size), tags)


@pytest.mark.parametrize(
    ("data", "config"),
    [
        pytest.param({}, LegacyConfig(limits("1Gi", 1000)), id="the gateway's defaults"),
        pytest.param(
            {"max_image_size": "2GB", "tag_count_limit": "50"},
            LegacyConfig(limits("2Gi", 50)),
            id="global limits",
        ),
        pytest.param({"rules": ""}, LegacyConfig(limits("1Gi", 1000)), id="empty rules"),
        pytest.param({"rules": " \n# none\n"}, LegacyConfig(limits("1Gi", 1000)), id="a comment"),
        pytest.param({"rules": "[]"}, LegacyConfig(limits("1Gi", 1000)), id="an empty list"),
        pytest.param(
            {"tag_count_limit": "9", "rules": RULES, "other": "ignored"},
            LegacyConfig(
                limits("1Gi", 9),
                (
                    LegacyRule("^team-a/.+", limits("100Mi", 3)),
                    LegacyRule("^team-.*", limits("5Gi", 20)),
                ),
                ("other",),
            ),
            id="rules with text and numbers",
        ),
    ],
)
def test_legacy_config_is_parsed(data: dict[str, str], config: LegacyConfig) -> None:
    assert parse(data) == config


@pytest.mark.parametrize(
    ("text", "base", "size"),
    [
        ("1GB", 1024, "1Gi"),
        ("1GB", 1000, "1G"),
        ("500MB", 1024, "500Mi"),
        ("500MB", 1000, "500M"),
        ("64KB", 1024, "64Ki"),
        ("64KB", 1000, "64k"),
        ("10B", 1024, "10"),
        ("10B", 1000, "10"),
        ("1gb", 1024, "1Gi"),
        ("1Gb", 1024, "1Gi"),
        ("1 GB", 1024, "1Gi"),
        (" 1GB\n", 1024, "1Gi"),
        ("1.5GB", 1024, "1536Mi"),
        ("1.5GB", 1000, "1500M"),
        ("0GB", 1024, "0"),
        ("0.5B", 1024, "1"),
        ("1.1GB", 1024, "1181116007"),
        ("99999999999GB", 1024, "9223372036854775807"),
    ],
)
def test_sizes_are_whole_bytes_rounded_up(text: str, base: UnitBase, size: str) -> None:
    assert str(parse({"max_image_size": text}, unit_base=base).limits.max_image_size) == size


@given(st.decimals(0, 10**6, places=3), st.sampled_from(["GB", "MB", "KB", "B"]))
def test_binary_units_never_allow_less_than_decimal_ones(number: Decimal, unit: str) -> None:
    data = {"max_image_size": f"{number}{unit}"}
    binary, decimal = parse(data), parse(data, unit_base=1000)
    assert binary.limits.max_image_size >= decimal.limits.max_image_size


SIZE_HELP = "is not a size such as 1GB or 512.5 MB"
COUNT_HELP = "is not a number of tags such as 1000"


def rule(limit: str, path: str = "^a/") -> dict[str, str]:
    valid = "- {path: ^b/, limit: {max_image_size: 1GB, tag_count_limit: 1}}\n"
    return {"rules": f"{valid}- path: {path}\n  limit: {limit}\n"}


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({"max_image_size": ""}, f"max_image_size: '' {SIZE_HELP}"),
        ({"max_image_size": "1Gi"}, f"max_image_size: '1Gi' {SIZE_HELP}"),
        ({"max_image_size": "1024"}, f"max_image_size: '1024' {SIZE_HELP}"),
        ({"max_image_size": "-1GB"}, f"max_image_size: '-1GB' {SIZE_HELP}"),
        ({"max_image_size": "1e3GB"}, f"max_image_size: '1e3GB' {SIZE_HELP}"),
        ({"max_image_size": "1TB"}, f"max_image_size: '1TB' {SIZE_HELP}"),
        ({"max_image_size": ".GB"}, f"max_image_size: '.GB' {SIZE_HELP}"),
        ({"max_image_size": "٣GB"}, f"max_image_size: '٣GB' {SIZE_HELP}"),
        ({"tag_count_limit": ""}, f"tag_count_limit: '' {COUNT_HELP}"),
        ({"tag_count_limit": "many"}, f"tag_count_limit: 'many' {COUNT_HELP}"),
        ({"tag_count_limit": "-1"}, f"tag_count_limit: '-1' {COUNT_HELP}"),
        ({"tag_count_limit": "1.5"}, f"tag_count_limit: '1.5' {COUNT_HELP}"),
        ({"tag_count_limit": "9" * 16}, f"tag_count_limit: '{'9' * 16}' {COUNT_HELP}"),
        (
            {"max_image_size": "1", "tag_count_limit": "x", "rules": "- {}\n- ^a/"},
            f"max_image_size: '1' {SIZE_HELP}; tag_count_limit: 'x' {COUNT_HELP}; "
            "rules[0]: must be a mapping with path and limit; "
            "rules[1]: must be a mapping with path and limit",
        ),
        (
            {"rules": "- a\n" * 22},
            "; ".join(f"rules[{n}]: must be a mapping with path and limit" for n in range(20))
            + "; and 2 more",
        ),
        (
            rule("{max_image_size: 1GB, tag_count_limit: 1}", path="~"),
            "rules[1].path: must be text",
        ),
        (
            rule("{max_image_size: 1GB, tag_count_limit: null}"),
            "rules[1].limit.tag_count_limit: must be text",
        ),
        (
            rule("{max_image_size: 1GB, tag_count_limit: 1, tag_count_limit: 2}"),
            "rules[1].limit.tag_count_limit: stands twice",
        ),
        (
            {"rules": "- {path: ^a/, limit: {<<: 1, max_image_size: 1GB, tag_count_limit: 1}}"},
            "rules[0].limit.<<: must be a mapping",
        ),
        ({"rules": "a: b"}, "rules: must be a YAML list of {path, limit}"),
        ({"rules": "text"}, "rules: must be a YAML list of {path, limit}"),
        ({"rules": "- ^a/"}, "rules[0]: must be a mapping with path and limit"),
        ({"rules": "- path: ^a/"}, "rules[0]: must be a mapping with path and limit"),
        (rule("1GB"), "rules[1]: must be a mapping with path and limit"),
        (
            rule("{max_image_size: 1GB}"),
            "rules[1].limit.tag_count_limit: is missing, a rule sets both limits",
        ),
        (
            rule("{tag_count_limit: 1}"),
            "rules[1].limit.max_image_size: is missing, a rule sets both limits",
        ),
        (
            rule("{max_image_size: 1X, tag_count_limit: 1}"),
            f"rules[1].limit.max_image_size: '1X' {SIZE_HELP}",
        ),
        (
            rule("{max_image_size: 1GB, tag_count_limit: 0x10}"),
            f"rules[1].limit.tag_count_limit: '0x10' {COUNT_HELP}",
        ),
        (
            rule("{max_image_size: [1GB], tag_count_limit: 1}"),
            "rules[1].limit.max_image_size: must be text",
        ),
        (
            rule("{max_image_size: 1GB, tag_count_limit: 1}", path="[a]"),
            "rules[1].path: must be text",
        ),
        (
            {"rules": "- limit: {max_image_size: 1GB, tag_count_limit: 1}"},
            "rules[0].path: must be text",
        ),
    ],
)
def test_unparsable_text_is_named_with_its_key(data: dict[str, str], problem: str) -> None:
    with pytest.raises(LegacyConfigError) as caught:
        parse(data)
    assert str(caught.value) == problem


@pytest.mark.parametrize("domain", [ApiDomain(), ApiDomain("openshift.io")], ids=lambda d: d.name)
def test_limits_become_a_limit_range(domain: ApiDomain) -> None:
    assert limits("100Mi", 3).limit_range(domain, "team-a") == {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": {"name": "image-registry-limits", "namespace": "team-a"},
        "spec": {
            "limits": [
                {"type": f"{domain.name}/Image", "max": {"storage": "100Mi"}},
                {"type": f"{domain.name}/ImageStream", "max": {f"{domain.name}/image-tags": "3"}},
            ]
        },
    }


def test_legacy_data_has_only_the_gateways_keys() -> None:
    config_map = ConfigMap.model_validate(
        {"metadata": {"name": "n", "namespace": "ns"}, "data": {"rules": "", "color": "red"}}
    )
    assert legacy_data(config_map) == {"rules": ""}
    assert config_map.title == "ConfigMap ns/n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1GB", "'1GB'"),
        ("a\nb\x85c\u2028d\x1b", r"'a\nb\x85c\u2028d\x1b'"),
        ("x" * 100, f"'{'x' * 100}'"),
        ("x" * 101, f"'{'x' * 100}'…"),
    ],
    ids=["short", "on one line", "as long as may be", "cut"],
)
def test_foreign_text_is_quoted(text: str, expected: str) -> None:
    assert quoted(text) == expected
