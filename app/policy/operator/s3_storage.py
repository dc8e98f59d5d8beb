"""Checks of `spec.storage.s3`."""

from datetime import timedelta

from app.model.domain import ApiDomain
from app.model.registry import CloudFront, S3Storage
from app.policy.names import (
    is_bucket,
    is_subdomain,
    parse_endpoint,
    placeholders,
    without_credentials,
)
from app.policy.operator.field_checks import shown
from app.policy.operator.schedule import parse_duration
from app.policy.verdict import Verdict

_ENDPOINT = "spec.storage.s3.regionEndpoint"
_CLOUD_FRONT = "spec.storage.s3.cloudFront"
_CHUNKS = range(5, 5121)
"""MiB that the S3 API accepts as a part of an upload."""


def check(
    verdict: Verdict, s3: S3Storage, disable_redirect: bool | None, domain: ApiDomain
) -> None:
    _check_bucket(verdict, s3, domain)
    _check_endpoint(verdict, s3)
    if not s3.region and (s3.region_endpoint or domain.is_registry_v2):
        verdict.warn(
            "spec.storage.s3.region is empty, and the registry does not start without one: set it "
            "to the region of the bucket, or to us-east-1 for storage without regions"
        )
    _check_trusted_ca(verdict, s3.trusted_ca.name)
    if s3.chunk_size is not None and s3.chunk_size not in _CHUNKS:
        verdict.deny(
            "InvalidChunkSize",
            f"spec.storage.s3.chunkSizeMiB is {s3.chunk_size}, not between 5 and 5120",
            "set it to 10, or leave it out",
        )
    if s3.key_id and not s3.encrypt:
        verdict.warn("spec.storage.s3.keyID is ignored, since spec.storage.s3.encrypt is not true")
    if disable_redirect is False and clients_need_proxy(s3):
        verdict.warn(
            "spec.disableRedirect is false, and clients may not reach or trust the s3 "
            "endpoint: set it to true if their pulls fail"
        )
    if s3.cloud_front is not None:
        _check_cloud_front(verdict, s3.cloud_front)
        if disable_redirect:
            verdict.warn(f"{_CLOUD_FRONT} has no effect, since spec.disableRedirect is true")


def clients_need_proxy(s3: S3Storage) -> bool:
    """Whether clients could not follow a redirect to the object storage.

    They cannot reach an endpoint inside the cluster, and do not trust a private CA. With CloudFront
    they are sent there instead.
    """
    if s3.cloud_front is not None:
        return False
    endpoint = parse_endpoint(s3.region_endpoint)
    return bool(s3.trusted_ca.name) or (endpoint is not None and endpoint.is_internal)


def _check_bucket(verdict: Verdict, s3: S3Storage, domain: ApiDomain) -> None:
    """OKD's operator creates a bucket where none is named."""
    if not s3.bucket:
        if not domain.is_registry_v2:
            return
        verdict.deny(
            "BucketMissing",
            "spec.storage.s3 has no bucket",
            "set spec.storage.s3.bucket to the bucket that holds the images",
        )
    elif not is_bucket(s3.bucket) and not placeholders(s3.bucket):
        verdict.deny(
            "InvalidBucketName",
            f"spec.storage.s3.bucket is {shown(s3.bucket)}, which no bucket can be named",
            "set it to 3 to 63 lower-case letters, digits, dots and hyphens, "
            "with a letter or digit at both ends",
        )


def _check_endpoint(verdict: Verdict, s3: S3Storage) -> None:
    text = s3.region_endpoint
    if not text or placeholders(text):
        return
    value = shown(without_credentials(text))
    endpoint = parse_endpoint(text)
    if endpoint is None:
        with_scheme = f"https://{text}"
        example = with_scheme if parse_endpoint(with_scheme) else "https://s3.example.com"
        verdict.deny(
            "InvalidRegionEndpoint",
            f"{_ENDPOINT} is {value}, not http(s)://host[:port][/path]",
            f"write it without user, query and fragment, such as {example}",
        )
        return
    if endpoint.scheme == "http":
        verdict.warn(f"{_ENDPOINT} is {value}: images travel unencrypted")
    if not is_bucket(s3.bucket):
        return
    if endpoint.holds_bucket(s3.bucket):
        verdict.deny(
            "BucketInRegionEndpoint",
            f"{_ENDPOINT} is {value}, which holds the bucket {s3.bucket} already",
            f"take {s3.bucket} out of it: the registry adds the bucket itself",
        )
    elif endpoint.may_hold_bucket(s3.bucket):
        verdict.warn(
            f"{_ENDPOINT} is {value}, which begins with the bucket {s3.bucket}: take it out unless "
            "it belongs to the name of the host, since the registry adds the bucket itself"
        )


def _check_trusted_ca(verdict: Verdict, name: str) -> None:
    if name and not is_subdomain(name) and not placeholders(name):
        verdict.deny(
            "InvalidTrustedCAName",
            f"spec.storage.s3.trustedCA.name is {shown(name)}, which no ConfigMap can be named",
            "set it to the name of a ConfigMap with the key ca-bundle.crt",
        )


def _check_cloud_front(verdict: Verdict, front: CloudFront) -> None:
    url = front.base_url
    if parse_endpoint(url) is None and not placeholders(url):
        verdict.deny(
            "InvalidCloudFront",
            f"{_CLOUD_FRONT}.baseURL is {shown(without_credentials(url))}, not "
            "http(s)://host[:port][/path]",
            "set it to the address of the distribution, such as https://d111111abcdef8.cloudfront.net",
        )
    for field, value in (
        ("keypairID", front.keypair_id),
        ("privateKey.name", front.private_key.name),
        ("privateKey.key", front.private_key.key),
    ):
        if not value:
            verdict.deny(
                "InvalidCloudFront",
                f"{_CLOUD_FRONT}.{field} is empty, and addresses are signed with it",
                "name the key pair, and the Secret and its key that hold the private key",
            )
    text = front.duration
    duration = parse_duration(text) if text else timedelta(minutes=20)
    if (duration is None or duration <= timedelta()) and not placeholders(text):
        verdict.deny(
            "InvalidCloudFront",
            f"{_CLOUD_FRONT}.duration is {shown(text)}, not a duration above 0s",
            "write it with h, m and s, such as 20m",
        )
