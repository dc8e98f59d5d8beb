"""From legacy rules to limits per namespace: exact conversions, and reported approximations."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from app.migration.conversion import NamespaceConversion, Totals, convert
from app.model.domain import ApiDomain
from app.model.legacy import LegacyConfig, LegacyLimits, LegacyRule, parse
from app.model.limits import LimitRange, ResourceQuota
from app.model.quantity import Quantity
from app.policy import limit_objects

ALAUDA = ApiDomain()


def limits(size: str, tags: int) -> LegacyLimits:
    return LegacyLimits(Quantity(size), tags)


DEFAULTS = limits("1Gi", 1000)


def rule(path: str, size: str, tags: int) -> LegacyRule:
    return LegacyRule(path, limits(size, tags))


def convert_one(
    *rules: LegacyRule, namespace: str = "team-a", flat: bool = False
) -> NamespaceConversion:
    config = LegacyConfig(DEFAULTS, rules)
    [converted] = convert(config, [namespace], flat=flat).namespaces
    return converted


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        pytest.param([], DEFAULTS, id="no rules: the defaults"),
        pytest.param([rule("^team-a/.+", "2Gi", 5)], limits("2Gi", 5), id="one namespace"),
        pytest.param([rule("^team-.*/", "2Gi", 5)], limits("2Gi", 5), id="many namespaces"),
        pytest.param([rule("^team-b/", "2Gi", 5)], DEFAULTS, id="another namespace"),
        pytest.param(
            [rule("^team-a/", "2Gi", 5), rule("^team-a/big/", "9Gi", 9)],
            limits("2Gi", 5),
            id="a rule behind one that matches everything",
        ),
        pytest.param(
            [rule("^team-a/big/", "2Gi", 5), rule("^team-a/", "2Gi", 5)],
            limits("2Gi", 5),
            id="a part with the same limits as the rest",
        ),
        pytest.param(
            [rule("(?i)^TEAM", "1Gi", 1000)], DEFAULTS, id="undecided, but the same as the defaults"
        ),
    ],
)
def test_common_limits_convert_exactly(rules: list[LegacyRule], expected: LegacyLimits) -> None:
    converted = convert_one(*rules)
    assert converted.limits == expected
    assert converted.exact
    assert converted.changes == []


@pytest.mark.parametrize(
    ("rules", "expected", "changes"),
    [
        pytest.param(
            [rule("^team-a/big/.*", "5Gi", 1000)],
            limits("5Gi", 1000),
            [
                "repositories such as team-a/a (the defaults) "
                "may have images up to 5Gi instead of 1Gi"
            ],
            id="a larger part",
        ),
        pytest.param(
            [rule("^team-a/small/.*", "10Mi", 3)],
            DEFAULTS,
            [
                "repositories such as team-a/small/app (rules[0] '^team-a/small/.*') "
                "may have images up to 1Gi instead of 10Mi and 1000 tags instead of 3"
            ],
            id="a smaller part",
        ),
        pytest.param(
            [rule("^team-a/x", "5Gi", 3), rule("^team-a/", "2Gi", 7)],
            limits("5Gi", 7),
            [
                "repositories such as team-a/x (rules[0] '^team-a/x') may have 7 tags instead of 3",
                "repositories such as team-a/a (rules[1] '^team-a/') "
                "may have images up to 5Gi instead of 2Gi",
            ],
            id="each limit by itself",
        ),
        pytest.param(
            [rule("(?i)^TEAM", "5Gi", 1000), rule("^team-a/", "2Gi", 1000)],
            limits("5Gi", 1000),
            [
                "repositories such as team-a/app (rules[1] '^team-a/') "
                "may have images up to 5Gi instead of 2Gi"
            ],
            id="an undecided rule that is less strict",
        ),
        pytest.param(
            [rule("a**", "1Mi", 1000)],
            DEFAULTS,
            [
                "repositories that rules[0] 'a**' may match "
                "(RE2 refuses it: 'bad repetition operator: **') "
                "may have images up to 1Gi instead of 1Mi"
            ],
            id="a rule that is no regex",
        ),
        pytest.param(
            [rule("(a|b)*a(a|b|[0-9]|/){18}$", "2Gi", 1000)],
            limits("2Gi", 1000),
            [
                "repositories that the defaults may match "
                "(the rules are too intricate to be decided together) "
                "may have images up to 2Gi instead of 1Gi"
            ],
            id="a rule that takes too long",
        ),
    ],
)
def test_differing_limits_become_the_least_strict_with_a_report(
    rules: list[LegacyRule], expected: LegacyLimits, changes: list[str]
) -> None:
    converted = convert_one(*rules)
    assert converted.limits == expected
    assert not converted.exact
    assert converted.changes == changes


RULES = st.lists(
    st.builds(
        rule,
        st.sampled_from(
            ["^team-a/", "^team-a/b", "team", "^team-b/", "(?i)x", "a$", "^[^/]+/[a-m]", "*"]
        ),
        st.sampled_from(["1Mi", "1Gi", "2Gi"]),
        st.integers(1, 5),
    ),
    max_size=4,
)


@given(RULES, st.booleans())
def test_no_repository_becomes_stricter(rules: list[LegacyRule], flat: bool) -> None:
    converted = convert_one(*rules, flat=flat)
    for source in converted.sources:
        assert converted.limits.max_image_size >= source.limits.max_image_size
        assert converted.limits.tag_count_limit >= source.limits.tag_count_limit
    assert converted.exact is (not converted.changes)


def test_flat_repositories_drop_nested_rules() -> None:
    nested = rule("^team-a/big/.*", "5Gi", 9)
    assert convert_one(nested).exact is False
    assert convert_one(nested, flat=True).limits == DEFAULTS
    assert convert_one(nested, flat=True).exact


def test_unused_and_undecided_rules_are_reported() -> None:
    config = LegacyConfig(
        DEFAULTS, (rule("^x/", "1Mi", 1), rule("^a/", "1Mi", 1), rule(r"\ba", "1Mi", 1))
    )
    conversion = convert(config, ["b", "a", "b"])
    assert [item.namespace for item in conversion.namespaces] == ["a", "b"]
    assert conversion.unused == ["rules[0] '^x/'"]
    assert conversion.undecided == {
        "rules[2] '\\\\ba'": "'\\\\ba' is outside of the syntax that can be decided"
    }
    assert not conversion.exact


def test_defaults_are_made_explicit() -> None:
    [converted] = convert(parse({}), ["team-a"]).namespaces
    assert converted.manifests(ALAUDA, Totals()) == [DEFAULTS.limit_range(ALAUDA, "team-a")]


def test_a_quota_is_written_with_the_counts_that_are_given() -> None:
    totals = Totals(imagestreams=20, image_tags=0)
    [_, quota] = convert_one().manifests(ALAUDA, totals)
    assert quota == {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "image-registry-quota", "namespace": "team-a"},
        "spec": {"hard": {"alauda.io/imagestreams": "20", "alauda.io/image-tags": "0"}},
    }


@pytest.mark.parametrize("domain", [ALAUDA, ApiDomain("openshift.io")], ids=lambda d: d.name)
def test_converted_objects_are_admitted(domain: ApiDomain) -> None:
    totals = Totals(imagestreams=1, images=2, image_tags=3)
    limit_range, quota = convert_one(rule("^team-a/", "1500M", 7)).manifests(domain, totals)
    checked = limit_objects.check_limit_range(LimitRange.model_validate(limit_range), domain=domain)
    checked.include(
        limit_objects.check_resource_quota(ResourceQuota.model_validate(quota), domain=domain)
    )
    assert checked.violations == []
    assert checked.warnings == []


@given(st.permutations(["a", "b", "c"]))
def test_conversion_does_not_depend_on_namespace_order(namespaces: list[str]) -> None:
    config = LegacyConfig(DEFAULTS, (rule("^b/", "1Mi", 1),))
    first = [item.manifests(ALAUDA, Totals()) for item in convert(config, namespaces).namespaces]
    again = [item.manifests(ALAUDA, Totals()) for item in convert(config, "abc").namespaces]
    assert yaml.safe_dump(first) == yaml.safe_dump(again)
