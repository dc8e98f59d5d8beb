"""The next step of the shared certificates, by their state and the time."""

from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.certs import authority, rotation, trust
from app.certs.authority import KeyPair
from app.certs.rotation import Certificates, Schedule
from tests.unit.certificates import verify

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NAME = "registry-admission.registry-admission.svc"
SCHEDULE = Schedule(authority_lifetime=100 * DAY, serving_lifetime=10 * DAY, overlap=HOUR)


def step(
    found: Certificates | None,
    now: datetime = NOW,
    in_force_since: datetime | None = None,
    published: tuple[bytes, ...] = (),
    name: str = NAME,
) -> Certificates | None:
    return rotation.next_step(
        found,
        names=[name],
        now=now,
        in_force_since=in_force_since,
        published=published,
        schedule=SCHEDULE,
    )


def due(
    found: Certificates | None,
    now: datetime = NOW,
    in_force_since: datetime | None = None,
    published: tuple[bytes, ...] = (),
    name: str = NAME,
) -> Certificates:
    made = step(found, now, in_force_since, published, name)
    assert made is not None
    verify(made.serving.certificate, made.trusted, name, now)
    return made


def trusted_by(certificates: Certificates) -> list[bytes]:
    return trust.split(certificates.trusted)


FRESH = due(None)
CA = FRESH.signer
LATE = NOW + 70 * DAY
WITH_SUCCESSOR = due(replace(FRESH, serving=authority.make_serving(CA, [NAME], LATE)), LATE)
NEXT = WITH_SUCCESSOR.successor or CA
SUCCEEDED = due(WITH_SUCCESSOR, LATE + HOUR, in_force_since=LATE)


def test_the_first_certificate_is_signed_by_the_first_ca() -> None:
    assert trusted_by(FRESH) == [CA.certificate]
    assert FRESH.successor is None
    assert step(FRESH, in_force_since=NOW) is None


def test_lost_secret_keeps_trust_in_certificates_still_served() -> None:
    expired = authority.make_authority(NOW - 200 * DAY, DAY).certificate

    made = due(None, published=(CA.certificate, expired))

    assert trusted_by(made) == [made.signer.certificate, CA.certificate]


@pytest.mark.parametrize(
    ("found", "now", "in_force_since"),
    [
        pytest.param(FRESH, NOW + 6 * DAY, NOW, id="before two thirds of the serving life"),
        pytest.param(WITH_SUCCESSOR, LATE + HOUR, None, id="successor not seen in the caBundle"),
        pytest.param(
            WITH_SUCCESSOR, LATE + HOUR, LATE + timedelta(seconds=1), id="successor seen too late"
        ),
        pytest.param(
            SUCCEEDED,
            LATE + 2 * HOUR - timedelta(seconds=1),
            LATE,
            id="others may serve what the old CA signed",
        ),
    ],
)
def test_no_rotation_is_due(
    found: Certificates, now: datetime, in_force_since: datetime | None
) -> None:
    assert step(found, now, in_force_since) is None


def test_serving_certificate_is_renewed_by_the_same_ca() -> None:
    later = NOW + 7 * DAY

    made = due(FRESH, later)

    assert made.serving != FRESH.serving
    assert authority.expires_at(made.serving.certificate) == later + SCHEDULE.serving_lifetime
    assert replace(made, serving=FRESH.serving) == FRESH


def test_missing_name_renews_the_serving_certificate() -> None:
    made = due(FRESH, name="other.example")

    assert replace(made, serving=FRESH.serving) == FRESH


def test_successor_ca_is_published_before_it_signs() -> None:
    assert WITH_SUCCESSOR.signer == CA
    assert trusted_by(WITH_SUCCESSOR) == [CA.certificate, NEXT.certificate]
    verify(WITH_SUCCESSOR.serving.certificate, CA.certificate, NAME, LATE)


def test_known_successor_ca_signs_while_the_old_ca_stays_trusted() -> None:
    assert SUCCEEDED.signer == NEXT != CA
    assert SUCCEEDED.successor is None
    assert trusted_by(SUCCEEDED) == [NEXT.certificate, CA.certificate]
    verify(SUCCEEDED.serving.certificate, NEXT.certificate, NAME, LATE + HOUR)


def test_old_ca_is_removed_when_none_of_its_certificates_is_served() -> None:
    made = due(SUCCEEDED, LATE + 2 * HOUR, in_force_since=LATE)

    assert made == replace(SUCCEEDED, trusted=NEXT.certificate)


def test_successor_ca_signs_before_the_old_ca_expires() -> None:
    over = NOW + 100 * DAY

    made = due(WITH_SUCCESSOR, over)

    assert made.signer == NEXT
    assert trusted_by(made) == [NEXT.certificate]


def test_expired_ca_without_successor_is_replaced() -> None:
    made = due(FRESH, NOW + 100 * DAY)

    assert trusted_by(made) == [made.signer.certificate]
    assert made.signer != CA


def test_certificate_that_is_not_valid_yet_is_replaced() -> None:
    ahead = due(None, NOW + 1000 * DAY)
    signed_ahead = replace(FRESH, serving=authority.make_serving(CA, [NAME], NOW + DAY, 10 * DAY))

    assert due(ahead, NOW).signer != ahead.signer
    assert due(signed_ahead, NOW).signer == CA


def test_expired_successor_ca_is_replaced() -> None:
    outlived = replace(
        WITH_SUCCESSOR,
        successor=authority.make_authority(LATE - 2 * DAY, DAY),
        trusted=CA.certificate,
    )

    made = due(outlived, LATE)

    assert made.signer == CA
    assert made.successor not in (None, outlived.successor)


@pytest.mark.parametrize("certificates", [FRESH, WITH_SUCCESSOR, SUCCEEDED])
def test_stored_certificates_are_read_back(certificates: Certificates) -> None:
    assert rotation.decode(rotation.encode(certificates)) == certificates


def stored(certificates: Certificates, **changes: bytes | None) -> dict[str, str]:
    data = rotation.encode(certificates)
    for name, content in changes.items():
        key = name.replace("_", ".").replace("next.", "next-")
        if content is None:
            del data[key]
        else:
            data[key] = b64encode(content).decode()
    return data


OTHER = authority.make_serving(authority.make_authority(NOW), [NAME], NOW)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        pytest.param({}, "tls.crt is missing", id="empty"),
        pytest.param(stored(FRESH, ca_crt=None), "ca.crt is missing", id="no CA"),
        pytest.param({**stored(FRESH), "tls.key": "?"}, "padding|cannot be read", id="no base64"),
        pytest.param({**stored(FRESH), "tls.key": None}, "cannot be read", id="an empty value"),
        pytest.param(stored(FRESH, ca_crt=b"?"), "cannot be read", id="no certificate"),
        pytest.param(stored(FRESH, ca_key=OTHER.key), "is not the cert", id="another CA's key"),
        pytest.param(stored(FRESH, tls_crt=OTHER.certificate), "is not the cert", id="another key"),
        pytest.param(
            stored(FRESH, tls_crt=OTHER.certificate, tls_key=OTHER.key),
            "tls.crt is not signed by ca.crt",
            id="another CA's certificate",
        ),
        pytest.param(
            stored(WITH_SUCCESSOR, next_ca_key=None), "cannot be read", id="successor without key"
        ),
    ],
)
def test_unusable_certificate_data_is_refused(data: dict[str, str | None], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        rotation.decode(data)


CHAIN = KeyPair(FRESH.serving.certificate + CA.certificate, FRESH.serving.key)
BROUGHT = KeyPair(OTHER.certificate + CA.certificate, OTHER.key)
MIXED_CASE = authority.make_serving(CA, ["Web.Example.COM"], NOW)
WILDCARD = authority.make_serving(CA, ["*.example.com", "10.0.0.1"], NOW)


@pytest.mark.parametrize(
    ("pair", "names", "missing"),
    [
        pytest.param(WILDCARD, ["a.example.com", "A.EXAMPLE.COM", "10.0.0.1"], [], id="covered"),
        pytest.param(MIXED_CASE, ["web.example.com"], [], id="capital letters in it"),
        pytest.param(WILDCARD, ["a.b.example.com"], ["a.b.example.com"], id="one label only"),
        pytest.param(WILDCARD, ["example.com"], ["example.com"], id="not the parent"),
        pytest.param(WILDCARD, ["10.0.0.2", "::1"], ["10.0.0.2", "::1"], id="other addresses"),
        pytest.param(CA, ["a.example.com"], ["a.example.com"], id="no names at all"),
    ],
)
def test_missing_names_of_a_certificate(
    pair: KeyPair, names: list[str], missing: list[str]
) -> None:
    assert trust.missing_names(pair.certificate, names) == missing


@pytest.mark.parametrize(
    ("certificate", "trusted", "expected"),
    [
        pytest.param(FRESH.serving, CA, True, id="signed by the CA"),
        pytest.param(CHAIN, CA, True, id="a chain that ends at the CA"),
        pytest.param(BROUGHT, CA, True, id="a chain whose first certificate the CA did not sign"),
        pytest.param(OTHER, OTHER, True, id="trusted itself"),
        pytest.param(FRESH.serving, NEXT, False, id="another CA of the same name"),
    ],
)
def test_certificate_is_trusted_by_its_ca_only(
    certificate: KeyPair, trusted: KeyPair, expected: bool
) -> None:
    assert trust.is_trusted(certificate.certificate, trusted.certificate) is expected
