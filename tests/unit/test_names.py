"""Hosts in fields and pull specs."""

import pytest

from app.policy.names import host_of, is_hostname, parse_endpoint

LONG = ".".join(["a" * 63, "b" * 63, "c" * 63])


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("registry.example.com", "registry.example.com"),
        ("registry:1", "registry"),
        ("registry:65535", "registry"),
        ("registry:0", None),
        ("registry:65536", None),
        ("10.0.0.1:5000", "10.0.0.1"),
        ("[::1]:5000", "::1"),
        ("[10.0.0.1]:5000", None),
        ("300.0.0.1", None),
        ("a_b", None),
        ("", None),
    ],
)
def test_the_host_of_an_address(text: str, host: str | None) -> None:
    assert host_of(text) == host


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        (f"{LONG}.{'d' * 61}", True),
        (f"{LONG}.{'d' * 62}", False),
        ("Registry.Example.com", True),
        ("registry.1", False),
        ("régistry", False),
    ],
)
def test_a_hostname_is_a_dns_name_of_253_characters_at_most(text: str, valid: bool) -> None:
    assert is_hostname(text) == valid


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://s3_1.example.com", "s3_1.example.com"),
        ("http://_minio:9000/v1", "_minio"),
        ("http://minio._", "minio._"),
        ("http://-_a", None),
        ("http://a_", "a_"),
        ("http://300.0.0.1", None),
    ],
)
def test_a_url_may_have_an_underscore_in_its_host(url: str, host: str | None) -> None:
    endpoint = parse_endpoint(url)
    assert (endpoint.host if endpoint else None) == host
