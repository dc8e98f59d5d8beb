"""Routes, request limits and proxy of Config/cluster."""

from typing import Any

import pytest

from app.policy.verdict import Verdict
from tests.unit.registry_configs import check_spec, reasons


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("public", []),
        ("public.v2", []),
        ("<name>", []),
        ("", ["InvalidRouteName"]),
        (None, ["InvalidRouteName"]),
        ("Public", ["InvalidRouteName"]),
        ("a/b", ["InvalidRouteName"]),
        ("default-route", ["InvalidRouteName"]),
    ],
)
def test_the_name_of_a_route_is_free_and_valid(name: str | None, expected: list[str]) -> None:
    assert reasons(check_spec({"routes": [{"name": name}]})) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("registry-cert", []),
        ("a.b", []),
        ("", []),
        (None, []),
        ("<secret>", []),
        ("Bad Name", ["InvalidRouteSecretName"]),
        ("../x", ["InvalidRouteSecretName"]),
    ],
)
def test_the_secret_of_a_route_is_named_as_secrets_are(
    name: str | None, expected: list[str]
) -> None:
    assert reasons(check_spec({"routes": [{"name": "public", "secretName": name}]})) == expected


def test_the_operator_keeps_the_name_of_its_own_route() -> None:
    [violation] = check_spec({"routes": [{"name": "a"}, {"name": "default-route"}]}).violations
    assert str(violation) == (
        "spec.routes[1].name is default-route, which the operator keeps for its own route; "
        "give the route another name"
    )


@pytest.mark.parametrize("kind", ["read", "write"])
@pytest.mark.parametrize(
    ("limits", "problem"),
    [
        ({}, ""),
        ({"maxRunning": 10, "maxInQueue": 5, "maxWaitInQueue": "30s"}, ""),
        ({"maxRunning": 10, "maxWaitInQueue": "0s"}, ""),
        ({"maxRunning": None, "maxInQueue": None, "maxWaitInQueue": None}, ""),
        ({"maxRunning": -1}, "maxRunning is -1, below 0"),
        ({"maxRunning": 1, "maxInQueue": -1}, "maxInQueue is -1, below 0"),
        ({"maxWaitInQueue": "1 day"}, 'maxWaitInQueue is "1 day", not a duration of 0s or more'),
        ({"maxWaitInQueue": "30"}, 'maxWaitInQueue is "30", not a duration of 0s or more'),
        ({"maxWaitInQueue": "-1s"}, 'maxWaitInQueue is "-1s", not a duration of 0s or more'),
    ],
    ids=str,
)
def test_request_limits_are_not_below_zero(kind: str, limits: dict[str, Any], problem: str) -> None:
    verdict = check_spec({"requests": {kind: limits}})
    assert [(one.reason, one.message) for one in verdict.violations] == (
        [("InvalidRequestLimit", f"spec.requests.{kind}.{problem}")] if problem else []
    )


def test_a_queue_that_nothing_waits_in_gets_a_warning() -> None:
    verdict = check_spec({"requests": {"read": {"maxInQueue": 5}}})
    assert verdict.warnings == [
        "spec.requests.read.maxInQueue has no effect without maxRunning: nothing has to wait"
    ]


@pytest.mark.parametrize("field", ["http", "https"])
@pytest.mark.parametrize(
    ("proxy", "valid"),
    [
        ("http://proxy.example.com:3128", True),
        ("https://proxy.example.com:3128/", True),
        ("socks5://10.0.0.1:1080", True),
        ("proxy.example.com:3128", True),
        ("http://user:p%40ss@proxy.example.com:3128", True),
        ("http://[fd00::1]:3128", True),
        ("http://<proxy>:3128", True),
        ("http://egress_proxy:3128", True),
        ("socks5h://10.0.0.1:1080", True),
        ("SOCKS5://10.0.0.1:1080", True),
        ("socks5s://10.0.0.1:1080", False),
        ("socks4://10.0.0.1:1080", False),
        ("ftp://proxy.example.com", False),
        ("http://", False),
        ("http://proxy.example.com:port", False),
        ("http://proxy.example.com/path", False),
        ("http://proxy .example.com", False),
        ("http//proxy.example.com", False),
    ],
)
def test_a_proxy_is_an_address(field: str, proxy: str, valid: bool) -> None:
    verdict = check_spec({"proxy": {field: proxy}})
    assert reasons(verdict) == ([] if valid else ["InvalidProxy"])


def test_the_password_of_a_proxy_is_not_repeated() -> None:
    [violation] = check_spec({"proxy": {"http": "http://user:secret@proxy:port"}}).violations
    assert violation.message == (
        'spec.proxy.http is "http://…@proxy:port", not http(s)://host[:port]'
    )


@pytest.mark.parametrize(
    ("entries", "wrong"),
    [
        ("", []),
        (" .svc, .cluster.local,10.96.0.0/12,localhost,127.0.0.1", []),
        ("*", []),
        ("*.example.com,example.com:8080,[fd00::1],fd00::/8", []),
        (".svc,,10.0.0.0/8,", []),
        ("<hosts>", []),
        ("10.1.2.3:8080,10.96.0.1:443,[::1]:80", []),
        ("s3_1.example.com,_a:80,.my_domain", []),
        ("example.com.,.example.com.:8080", []),
        ("10.1.2.3:0,10.1.2.3:65536", ["10.1.2.3:0", "10.1.2.3:65536"]),
        (".10.1.2.3,300.1.1.1:80", [".10.1.2.3", "300.1.1.1:80"]),
        ("[::g]:80,a..", ["[::g]:80", "a.."]),
        ("a;b", ["a;b"]),
        ("https://example.com", ["https://example.com"]),
        ("a b,example.com/path", ["a b", "example.com/path"]),
        ("s3-*.example.com", ["s3-*.example.com"]),
    ],
)
def test_an_exception_from_the_proxy_matches_hosts(entries: str, wrong: list[str]) -> None:
    found = check_spec({"proxy": {"noProxy": entries}}).violations
    assert [one.message for one in found] == [
        f'spec.proxy.noProxy has "{entry}", which matches no host' for entry in wrong
    ]


@pytest.mark.parametrize(
    ("endpoint", "proxy", "warned"),
    [
        ("http://minio.storage.svc:9000", {"http": "http://proxy:3128"}, True),
        ("https://minio.storage.svc", {"https": "http://proxy:3128", "noProxy": "a,b"}, True),
        ("https://10.0.0.9", {"https": "http://proxy:3128", "noProxy": ".svc"}, True),
        ("https://minio.storage.svc", {"http": "http://proxy:3128"}, False),
        ("https://minio.storage.svc", {"https": "http://proxy:3128", "noProxy": ".svc"}, False),
        ("https://minio.storage.svc", {"https": "http://proxy:3128", "noProxy": "*"}, False),
        ("https://Minio:9000", {"https": "http://proxy:3128", "noProxy": "a, MINIO:9000"}, False),
        ("https://10.0.0.9", {"https": "http://proxy:3128", "noProxy": "10.0.0.0/8"}, False),
        ("https://10.0.0.9", {"https": "http://proxy:3128", "noProxy": "10.0.0.9:443"}, False),
        ("https://[fd00::9]", {"https": "http://proxy:3128", "noProxy": "[fd00::9]:443"}, False),
        ("https://s3.example.com", {"https": "http://proxy:3128"}, False),
        ("", {"https": "http://proxy:3128"}, False),
    ],
    ids=str,
)
def test_storage_in_the_cluster_behind_a_proxy_gets_a_warning(
    endpoint: str, proxy: dict[str, str], warned: bool
) -> None:
    s3 = {"bucket": "images", "regionEndpoint": endpoint}
    verdict = check_spec({"disableRedirect": True, "proxy": proxy, "storage": {"s3": s3}})
    assert verdict.allowed
    proxied = [text for text in verdict.warnings if text.startswith("spec.proxy.noProxy")]
    assert len(proxied) == warned


def test_other_fields_are_left_alone() -> None:
    spec = {"defaultRoute": True, "httpSecret": "s", "affinity": {}, "logging": 2}
    assert check_spec(spec) == Verdict()
