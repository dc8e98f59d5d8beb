"""Checks of the CA bundle for the object storage."""

from datetime import UTC, datetime, timedelta

import pytest

from app.certs.authority import make_authority
from app.model.core import ConfigMap
from app.policy.operator import trusted_ca
from app.policy.verdict import Verdict
from tests.unit.registry_configs import reasons

NOW = datetime(2030, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
BROKEN = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
NAME = 'certificate "CN=registry-admission CA"'


def ca(start: timedelta, end: timedelta) -> str:
    """A CA that is valid between two points in time, relative to now."""
    return make_authority(NOW + start, end - start).certificate.decode()


GOOD = ca(-DAY, 400 * DAY)
EXPIRED = ca(-10 * DAY, -DAY)
FUTURE = ca(2 * DAY, 400 * DAY)
ENDING = ca(-DAY, 29 * DAY)


def check(text: str) -> Verdict:
    config_map = ConfigMap(data={"ca-bundle.crt": text, "other": ""})
    return trusted_ca.check(config_map, "ConfigMap ca", "replace it", NOW)


@pytest.mark.parametrize(
    "text",
    [GOOD, f"# my CA\n{GOOD}\ntrailing", GOOD * 2, ca(-DAY, 31 * DAY), GOOD.replace("\n", "\r\n")],
    ids=["one", "comments", "two", "a month left", "carriage returns"],
)
def test_valid_bundle_is_accepted(text: str) -> None:
    assert check(text) == Verdict()


@pytest.mark.parametrize(
    ("text", "reason", "message"),
    [
        ("", "TrustedCAInvalid", "ca-bundle.crt of ConfigMap ca holds no PEM certificate"),
        ("not PEM", "TrustedCAInvalid", "holds no PEM certificate"),
        (GOOD.replace("CERTIFICATE", "PRIVATE KEY"), "TrustedCAInvalid", "no PEM certificate"),
        (BROKEN, "TrustedCAInvalid", "holds no certificate that can be read"),
        (GOOD[:300], "TrustedCAInvalid", "holds no PEM certificate"),
        (EXPIRED, "TrustedCAExpired", f"{NAME} of ConfigMap ca expired on 2029-12-31"),
        (EXPIRED + FUTURE, "TrustedCAExpired", f"{NAME} of ConfigMap ca expired on 2029-12-31"),
        (FUTURE + EXPIRED, "TrustedCAExpired", f"{NAME} of ConfigMap ca expired on 2029-12-31"),
        (FUTURE, "TrustedCANotYetValid", f"{NAME} of ConfigMap ca is valid from 2030-01-0"),
    ],
    ids=[
        "empty",
        "text",
        "a key",
        "broken",
        "cut",
        "expired",
        "expired and future",
        "future and expired",
        "future",
    ],
)
def test_bundle_without_a_valid_certificate_is_refused(
    text: str, reason: str, message: str
) -> None:
    verdict = check(text)

    assert reasons(verdict) == [reason]
    assert message in verdict.violations[0].message
    assert verdict.violations[0].next_step == "replace it"


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        (GOOD + BROKEN, "certificates that cannot be read in ca-bundle.crt of ConfigMap ca: 1"),
        (BROKEN + GOOD, "certificates that cannot be read in ca-bundle.crt of ConfigMap ca: 1"),
        (EXPIRED + GOOD, "1 of 2 certificates of ConfigMap ca have expired"),
        (ENDING + GOOD, f"{NAME} of ConfigMap ca expires on 2030-01-30: have its successor in "
         "the bundle by then"),
    ],
    ids=["broken", "broken before it", "expired", "ending"],
)  # fmt: skip
def test_a_certificate_beside_a_valid_one_is_warned_about(text: str, warning: str) -> None:
    assert check(text) == Verdict(warnings=[warning])


def test_the_bundle_has_its_own_key() -> None:
    config_map = ConfigMap(data={"service-ca.crt": GOOD})

    [violation] = trusted_ca.check(config_map, "ConfigMap ca", "replace it", NOW).violations
    assert violation.message == 'ConfigMap ca has "service-ca.crt", not ca-bundle.crt'
