"""Checks of the S3 bucket and its endpoint."""

import pytest

from app.policy.verdict import Verdict
from tests.unit.registry_configs import check_spec, reasons


def check_s3(**fields: object) -> Verdict:
    return check_spec({"storage": {"s3": {"bucket": "images", **fields}}})


@pytest.mark.parametrize(
    ("bucket", "expected"),
    [
        ("abc", []),
        ("my.bucket-1", []),
        ("a" * 63, []),
        (None, ["BucketMissing"]),
        ("", ["BucketMissing"]),
        ("ab", ["InvalidBucketName"]),
        ("a" * 64, ["InvalidBucketName"]),
        ("Images", ["InvalidBucketName"]),
        ("my_bucket", ["InvalidBucketName"]),
        ("-images", ["InvalidBucketName"]),
        ("images.", ["InvalidBucketName"]),
        ("my..bucket", ["InvalidBucketName"]),
        ("192.168.0.1", ["InvalidBucketName"]),
        ("images\n", ["InvalidBucketName"]),
    ],
)
def test_a_bucket_is_named_by_the_rules_of_s3(bucket: str | None, expected: list[str]) -> None:
    assert reasons(check_s3(bucket=bucket)) == expected


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://s3.example.com",
        "https://s3.example.com/",
        "https://s3.example.com:8443/gateway/v1",
        "HTTPS://S3.Example.com",
        "https://10.0.0.1:9000",
        "https://[2001:db8::1]:9000",
        "https://minio",
        "https://<s3-endpoint>",
        "https://s3.<region>.example.com",
        "",
    ],
)
def test_an_endpoint_is_a_plain_address(endpoint: str) -> None:
    assert check_s3(regionEndpoint=endpoint).allowed


@pytest.mark.parametrize(
    "endpoint",
    [
        "ftp://s3.example.com",
        "s3:9000",
        "https://",
        "https:///path",
        "https://user@s3.example.com",
        "https://s3.example.com?region=x",
        "https://s3.example.com/#x",
        "https://s3.example.com:0",
        "https://s3.example.com:65536",
        "https://s3.example.com:port",
        "https://s3..example.com",
        "https://s3_1.example.com",
        "https://-s3.example.com",
        "https://300.1.1.1",
        "https://[::g]",
        "https://::1",
        "https://s3.example.com /",
        "https://s3.example.com\n",
        "https://s3.example.com/\x00",
        "https://s3.example.com/a b",
        "https://ſ3.example.com",
        "https://\N{KELVIN SIGN}8s.example.com",
    ],
)
def test_other_text_is_refused_as_an_endpoint(endpoint: str) -> None:
    [violation] = check_s3(regionEndpoint=endpoint).violations
    assert violation.reason == "InvalidRegionEndpoint"
    assert violation.message.startswith("spec.storage.s3.regionEndpoint is ")


def test_endpoint_without_a_scheme_gets_a_suggestion() -> None:
    [violation] = check_s3(regionEndpoint="s3.example.com:9000").violations
    assert str(violation) == (
        'spec.storage.s3.regionEndpoint is "s3.example.com:9000", '
        "not http(s)://host[:port][/path]; "
        "write it without user, query and fragment, such as https://s3.example.com:9000"
    )


@pytest.mark.parametrize(
    ("endpoint", "printed"),
    [
        ("https://key:secret@s3.example.com/x", '"https://…@s3.example.com/x"'),
        ("https://key:sec/ret@s3.example.com", '"https://…@s3.example.com"'),
        ("key:secret@s3.example.com", '"…@s3.example.com"'),
        ("https://s3.example.com/?X-Signature=secret", '"https://s3.example.com/?…"'),
    ],
)
def test_credentials_in_an_endpoint_are_not_repeated(endpoint: str, printed: str) -> None:
    [violation] = check_s3(regionEndpoint=endpoint).violations
    assert f"regionEndpoint is {printed}, not" in violation.message
    assert "sec" not in str(violation)


@pytest.mark.parametrize(
    ("endpoint", "holds"),
    [
        ("https://images.s3.example.com", True),
        ("https://IMAGES.s3.example.com:9000", True),
        ("https://s3.example.com/images", True),
        ("https://s3.example.com/v1/images/", True),
        ("https://images.svc.storage.svc", True),
        ("https://images.storage.svc", False),
        ("https://images.storage.svc.cluster.local:9000", False),
        ("https://images-s3.example.com", False),
        ("https://s3.images.example.com", False),
        ("https://s3.example.com/images-v2", False),
    ],
)
def test_bucket_in_the_endpoint_is_refused(endpoint: str, holds: bool) -> None:
    verdict = check_s3(regionEndpoint=endpoint)
    assert reasons(verdict) == (["BucketInRegionEndpoint"] if holds else [])


def test_missing_bucket_is_not_found_in_the_endpoint() -> None:
    verdict = check_s3(bucket="", regionEndpoint="https://s3.example.com/v1/")
    assert reasons(verdict) == ["BucketMissing"]


def test_an_unencrypted_endpoint_is_warned_about() -> None:
    verdict = check_s3(regionEndpoint="http://s3.example.com")
    assert verdict.allowed
    assert verdict.warnings == [
        'spec.storage.s3.regionEndpoint is "http://s3.example.com": images travel unencrypted'
    ]


@pytest.mark.parametrize(
    ("endpoint", "redirect_disabled", "warned"),
    [
        ("https://minio.storage.svc", False, True),
        ("https://minio.storage.svc", True, False),
        ("https://minio.storage.svc", None, False),
        ("https://s3.example.com", False, False),
    ],
)
def test_redirects_to_unreachable_storage_get_a_warning(
    endpoint: str, redirect_disabled: bool | None, warned: bool
) -> None:
    s3 = {"bucket": "images", "regionEndpoint": endpoint}
    verdict = check_spec({"disableRedirect": redirect_disabled, "storage": {"s3": s3}})
    assert verdict.allowed
    assert [text.partition(",")[0] for text in verdict.warnings] == [
        "spec.disableRedirect is false"
    ] * warned
