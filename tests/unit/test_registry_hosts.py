"""Host names and namespaces in Config/cluster."""

import pytest

from app.policy.verdict import Verdict
from tests.unit.registry_configs import check_spec, reasons


def check_pull_secret(**fields: object) -> Verdict:
    return check_spec({"imagePullSecret": fields})


@pytest.mark.parametrize(
    "host",
    ["registry.example.com", "Registry.example.com:5000", "10.0.0.1:5000", "[2001:db8::1]", "x:1"],
)
def test_a_registry_host_may_have_a_port(host: str) -> None:
    assert check_pull_secret(additionalRegistryHosts=[host]) == Verdict()


@pytest.mark.parametrize(
    ("host", "example"),
    [
        ("https://registry.example.com/", "registry.example.com"),
        ("http://registry.example.com:5000/team/app", "registry.example.com:5000"),
        ("registry.example.com/team", "registry.example.com"),
        ("registry.example.com:", "registry.example.com:5000"),
        ("registry.example.com:70000", "registry.example.com:5000"),
        ("registry..example.com", "registry.example.com:5000"),
        ("*.example.com", "registry.example.com:5000"),
        ("2001:db8::1", "registry.example.com:5000"),
        ("", "registry.example.com:5000"),
    ],
)
def test_registry_host_must_not_be_a_url(host: str, example: str) -> None:
    [violation] = check_pull_secret(additionalRegistryHosts=["a.example", host]).violations
    assert violation.reason == "InvalidRegistryHost"
    assert str(violation) == (
        f'spec.imagePullSecret.additionalRegistryHosts[1] is "{host}", not host[:port]; '
        f"write it without scheme and path, such as {example}"
    )


def test_a_registry_host_is_named_once() -> None:
    hosts = ["a.example", "b.example", "A.example", "a.example:5000", "a.example"]
    [violation] = check_pull_secret(additionalRegistryHosts=hosts).violations
    assert violation.reason == "DuplicateRegistryHost"
    assert str(violation) == (
        'spec.imagePullSecret.additionalRegistryHosts has "a.example" more than once; '
        "keep one of them"
    )


@pytest.mark.parametrize(
    ("namespace", "valid"),
    [
        ("kube-public", True),
        ("1", True),
        ("x" * 63, True),
        ("x" * 64, False),
        ("kube-*", False),
        ("Team", False),
        ("a.b", False),
        ("a-", False),
        ("a\n", False),
        ("", False),
    ],
)
def test_ignored_namespace_must_be_a_name(namespace: str, valid: bool) -> None:
    verdict = check_pull_secret(ignoredNamespaces=["kube-system", namespace])
    assert reasons(verdict) == ([] if valid else ["InvalidIgnoredNamespace"])
    assert all("ignoredNamespaces[1]" in str(violation) for violation in verdict.violations)


@pytest.mark.parametrize(
    ("routes", "expected"),
    [
        ([{"name": "a", "hostname": "a.example"}, {"name": "b", "hostname": "b.example"}], []),
        ([{"name": "a"}, {"name": "b"}], []),
        ([{"name": "a"}, {"name": "a"}], ['DuplicateRouteName: spec.routes has the name "a"']),
        (
            [{"name": "a", "hostname": "a.example"}, {"name": "b", "hostname": "A.example"}],
            ['DuplicateRouteHostname: spec.routes has the hostname "a.example"'],
        ),
        *(
            (
                [{"name": "a"}, {"name": "b", "hostname": hostname}],
                [f'InvalidRouteHostname: spec.routes[1].hostname is "{hostname}"'],
            )
            for hostname in ("https://a.example", "a.example:443", "*.example", "a_b", "10.0.0.1")
        ),
    ],
    ids=str,
)
def test_routes_are_distinct(routes: list[dict[str, str]], expected: list[str]) -> None:
    found = [f"{item.reason}: {item.message}" for item in check_spec({"routes": routes}).violations]
    assert len(found) == len(expected)
    for text, start in zip(found, expected, strict=True):
        assert text.startswith(start)
