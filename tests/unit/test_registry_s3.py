"""Checks of the S3 bucket and its endpoint."""

from typing import Any

import pytest

from app.policy.verdict import Verdict
from tests.unit.registry_configs import check, check_spec, config, reasons, with_defaults


def check_s3(**fields: object) -> Verdict:
    return check_spec({"storage": {"s3": {"bucket": "images", "region": "eu-1", **fields}}})


def test_the_operator_of_okd_makes_a_bucket_where_none_is_named() -> None:
    spec = {"storage": {"s3": {"region": "eu-1"}}}
    assert check(config(spec), domain="openshift.io") == Verdict()
    assert reasons(check(config(spec))) == ["BucketMissing"]


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
        "https://s3_1.example.com",
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
        ("https://images.s3.eu-1.amazonaws.com", True),
        ("https://images.s3-eu-1.amazonaws.com", True),
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


@pytest.mark.parametrize(
    ("endpoint", "warned"),
    [
        ("https://images", False),
        ("https://images.storage:9000", False),
        ("http://images.images:9000", False),
        ("https://images.storage.svc", False),
        ("https://s3.images.com", False),
        ("https://images.example.com", True),
        ("https://images.s3.local", True),
        ("https://images.apps.example.com", True),
    ],
)
def test_a_host_that_begins_with_the_bucket_may_be_right(endpoint: str, warned: bool) -> None:
    verdict = check_s3(regionEndpoint=endpoint)
    assert verdict.allowed
    assert sum("which begins with the bucket images" in one for one in verdict.warnings) == warned


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
    s3 = {"bucket": "images", "region": "eu-1", "regionEndpoint": endpoint}
    verdict = check_spec({"disableRedirect": redirect_disabled, "storage": {"s3": s3}})
    assert verdict.allowed
    assert [text.partition(",")[0] for text in verdict.warnings] == [
        "spec.disableRedirect is false"
    ] * warned


@pytest.mark.parametrize(
    ("domain", "s3", "warned"),
    [
        ("alauda.io", {"region": "eu-1"}, False),
        ("alauda.io", {}, True),
        ("alauda.io", {"region": "", "regionEndpoint": "https://s3.example.com"}, True),
        ("openshift.io", {}, False),
        ("openshift.io", {"regionEndpoint": "https://s3.example.com"}, True),
    ],
)
def test_a_registry_that_does_not_start_without_a_region_gets_a_warning(
    domain: str, s3: dict[str, str], warned: bool
) -> None:
    verdict = check(config({"storage": {"s3": {"bucket": "images", **s3}}}), domain=domain)
    assert verdict.allowed
    assert len(verdict.warnings) == warned
    assert all(text.startswith("spec.storage.s3.region is empty") for text in verdict.warnings)


FRONT: dict[str, Any] = {
    "baseURL": "https://d111.cloudfront.net",
    "keypairID": "K2JC",
    "privateKey": {"name": "front", "key": "private.pem"},
}


@pytest.mark.parametrize(
    "front", [FRONT, {**FRONT, "duration": "1h"}, {**FRONT, "baseURL": "https://<distribution>"}]
)
def test_clients_are_sent_to_cloud_front(front: dict[str, Any]) -> None:
    s3 = {"bucket": "b-1", "region": "e", "trustedCA": {"name": "ca"}, "cloudFront": front}
    verdict = check_spec({"disableRedirect": False, "storage": {"s3": s3}})
    assert verdict.allowed
    assert not [text for text in verdict.warnings if "placeholder" not in text]
    assert with_defaults(config({"storage": {"s3": s3}}))["spec"]["disableRedirect"] is False


def test_cloud_front_without_redirects_gets_a_warning() -> None:
    s3 = {"bucket": "images", "region": "eu-1", "cloudFront": FRONT}
    assert check_spec({"disableRedirect": True, "storage": {"s3": s3}}).warnings == [
        "spec.storage.s3.cloudFront has no effect, since spec.disableRedirect is true"
    ]


@pytest.mark.parametrize(
    ("change", "start"),
    [
        ({"baseURL": "d111.cloudfront.net"}, 'baseURL is "d111.cloudfront.net", not http(s)'),
        ({"baseURL": None}, 'baseURL is "", not http(s)'),
        ({"baseURL": "https://u:secret@d.net"}, 'baseURL is "https://…@d.net", not http(s)'),
        ({"keypairID": ""}, "keypairID is empty"),
        ({"privateKey": {"key": "k"}}, "privateKey.name is empty"),
        ({"privateKey": {"name": "n"}}, "privateKey.key is empty"),
        ({"duration": "20"}, 'duration is "20", not a duration above 0s'),
        ({"duration": "0s"}, 'duration is "0s", not a duration above 0s'),
    ],
    ids=str,
)
def test_cloud_front_needs_an_address_and_a_key(change: dict[str, Any], start: str) -> None:
    [violation] = check_s3(cloudFront={**FRONT, **change}).violations
    assert violation.reason == "InvalidCloudFront"
    assert violation.message.startswith(f"spec.storage.s3.cloudFront.{start}")


@pytest.mark.parametrize(
    ("mebibytes", "expected"),
    [(None, []), (5, []), (5120, []), (4, ["InvalidChunkSize"]), (5121, ["InvalidChunkSize"])],
)
def test_a_chunk_is_as_large_as_s3_accepts(mebibytes: int | None, expected: list[str]) -> None:
    assert reasons(check_s3(chunkSizeMiB=mebibytes)) == expected


@pytest.mark.parametrize(("encrypt", "warned"), [(None, 1), (False, 1), (True, 0)])
def test_a_key_without_encryption_gets_a_warning(encrypt: bool | None, warned: int) -> None:
    warnings = check_s3(keyID="arn:aws:kms:1", encrypt=encrypt).warnings
    assert [text.partition(",")[0] for text in warnings] == [
        "spec.storage.s3.keyID is ignored"
    ] * warned


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("storage-ca", []),
        ("a.b", []),
        ("", []),
        ("<trusted-ca>", []),
        ("Storage_CA", ["InvalidTrustedCAName"]),
        ("a/b", ["InvalidTrustedCAName"]),
        ("x" * 254, ["InvalidTrustedCAName"]),
    ],
)
def test_a_trusted_ca_is_named_as_config_maps_are(name: str, expected: list[str]) -> None:
    assert reasons(check_s3(trustedCA={"name": name})) == expected
