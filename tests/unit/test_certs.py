"""Certificates that clients accept, from our own CA or from another one."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import VerificationError

from app.certs import authority
from app.certs.authority import KeyPair
from tests.unit.certificates import encrypted, parsed, self_signed, verify

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
NAMES = ["registry-admission.registry-admission.svc", "localhost", "127.0.0.1", "::1"]
CA = authority.make_authority(NOW)
OTHER_CA = authority.make_authority(NOW)
IS_CA = x509.BasicConstraints(ca=True, path_length=None)
RSA_KEY = rsa.generate_private_key(65537, 2048)
RSA_CA = self_signed(RSA_KEY, NOW, IS_CA)
EDWARDS_CA = self_signed(ed25519.Ed25519PrivateKey.generate(), NOW, IS_CA)
EXPIRED_CA = authority.make_authority(NOW - 5000 * DAY)


@pytest.mark.parametrize("name", NAMES)
def test_a_client_that_trusts_the_ca_accepts_every_name(name: str) -> None:
    serving = authority.make_serving(CA, NAMES, NOW)

    verify(serving.certificate, CA.certificate, name, NOW)


@pytest.mark.parametrize(
    ("trusted", "name", "at"),
    [
        pytest.param(CA, "example.com", NOW, id="another name"),
        pytest.param(CA, "127.0.0.2", NOW, id="another address"),
        pytest.param(OTHER_CA, "localhost", NOW, id="another CA of the same name"),
        pytest.param(CA, "localhost", NOW - timedelta(minutes=6), id="too early"),
        pytest.param(CA, "localhost", NOW + 365 * DAY + timedelta(seconds=1), id="too late"),
    ],
)
def test_client_refuses_a_wrong_certificate(trusted: KeyPair, name: str, at: datetime) -> None:
    serving = authority.make_serving(CA, NAMES, NOW)

    with pytest.raises(VerificationError):
        verify(serving.certificate, trusted.certificate, name, at)


def test_client_with_a_slow_clock_accepts_a_new_certificate() -> None:
    serving = authority.make_serving(CA, NAMES, NOW)

    verify(serving.certificate, CA.certificate, "localhost", NOW - timedelta(minutes=4))


def test_the_authority_signs_servers_and_no_further_ca() -> None:
    certificate = parsed(CA)
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)

    assert certificate.subject.rfc4514_string() == "CN=registry-admission CA"
    assert constraints.critical
    assert constraints.value == x509.BasicConstraints(ca=True, path_length=0)
    assert usage.critical
    assert usage.value.key_cert_sign
    assert not usage.value.digital_signature
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert isinstance(key.curve, ec.SECP256R1)
    assert (certificate.not_valid_after_utc - NOW).days == 3653


def test_a_serving_certificate_serves_and_signs_nothing() -> None:
    extensions = parsed(authority.make_serving(CA, NAMES, NOW)).extensions

    assert list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.SERVER_AUTH
    ]
    assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    usage = extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature
    assert not usage.key_cert_sign


@pytest.mark.parametrize(
    ("authority_days", "lifetime", "days"),
    [
        pytest.param(3653, authority.SERVING_LIFETIME, 365, id="one year by default"),
        pytest.param(3653, 30 * DAY, 30, id="as asked"),
        pytest.param(10, authority.SERVING_LIFETIME, 10, id="never longer than the CA"),
    ],
)
def test_lifetime_of_a_serving_certificate(
    authority_days: int, lifetime: timedelta, days: int
) -> None:
    signer = authority.make_authority(NOW, authority_days * DAY)

    serving = authority.make_serving(signer, NAMES, NOW, lifetime)

    assert authority.expires_at(serving.certificate) == NOW + days * DAY
    assert parsed(serving).not_valid_before_utc == NOW - timedelta(minutes=5)


def test_duplicate_name_is_written_once() -> None:
    serving = authority.make_serving(CA, ["::1", "localhost", "0:0::1", "localhost"], NOW)

    names = parsed(serving).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(names) == [x509.IPAddress(ip_address("::1")), x509.DNSName("localhost")]


@pytest.mark.parametrize(
    "name",
    ["", "https://example.com", "example.com:443", "[::1]", "a b", "-a.example.com", "a..b",
     "127.0.0.256", "bücher.example", "a" * 64 + ".com", "a." * 127 + "com", "localhost\n", "*"],
)  # fmt: skip
def test_invalid_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="neither a DNS name nor an IP address; write it"):
        authority.make_serving(CA, ["localhost", name], NOW)


@pytest.mark.parametrize("name", ["*.example.com", "xn--bcher-kva.example", "1.example", "A1-b"])
def test_valid_names_are_accepted(name: str) -> None:
    serving = authority.make_serving(CA, [name], NOW)

    names = parsed(serving).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(names) == [x509.DNSName(name)]


def test_certificate_without_names_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one DNS name or IP address"):
        authority.make_serving(CA, [], NOW)


@pytest.mark.parametrize(
    ("extensions", "identifier"),
    [
        pytest.param(
            [IS_CA, x509.SubjectKeyIdentifier(b"its own way")], b"its own way", id="names its key"
        ),
        pytest.param(
            [IS_CA],
            x509.SubjectKeyIdentifier.from_public_key(RSA_KEY.public_key()).digest,
            id="does not name its key",
        ),
    ],
)
def test_foreign_ca_can_sign(extensions: list[x509.ExtensionType], identifier: bytes) -> None:
    signer = self_signed(RSA_KEY, NOW, *extensions)

    serving = parsed(authority.make_serving(signer, NAMES, NOW))

    serving.verify_directly_issued_by(parsed(signer))
    issuer = serving.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert issuer.key_identifier == identifier


@pytest.mark.parametrize(
    ("signer", "problem"),
    [
        pytest.param(EXPIRED_CA, "the CA expired at 2026", id="expired"),
        pytest.param(authority.make_serving(CA, NAMES, NOW), "not a CA's", id="a server's"),
        pytest.param(self_signed(RSA_KEY, NOW), "not a CA's", id="no basicConstraints"),
        pytest.param(EDWARDS_CA, "neither ECDSA nor RSA", id="Ed25519"),
        pytest.param(KeyPair(CA.certificate, OTHER_CA.key), "not the cert", id="another's key"),
        pytest.param(encrypted(RSA_CA), "without a password", id="encrypted key"),
        pytest.param(KeyPair(CA.certificate, b"?"), "private key cannot be read", id="no key"),
        pytest.param(KeyPair(b"?", CA.key), "certificate cannot be read", id="no certificate"),
    ],
)
def test_authority_without_signing_right_is_refused(signer: KeyPair, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        authority.make_serving(signer, NAMES, NOW)


def test_a_key_pair_does_not_print_its_key() -> None:
    assert "PRIVATE" not in f"{CA} {CA!r}"


def test_a_client_that_trusts_a_bundle_accepts_servers_of_both_authorities() -> None:
    trusted = authority.bundle(CA.certificate, OTHER_CA.certificate)

    for signer in (CA, OTHER_CA):
        verify(authority.make_serving(signer, NAMES, NOW).certificate, trusted, "localhost", NOW)


def test_a_bundle_holds_each_certificate_once_and_no_key() -> None:
    both = authority.bundle(CA.key + CA.certificate, OTHER_CA.certificate.strip())

    assert authority.bundle(both, CA.certificate) == CA.certificate + OTHER_CA.certificate


def test_bundle_with_invalid_certificates_is_refused() -> None:
    with pytest.raises(ValueError, match="certificate cannot be read; bring it as PEM"):
        authority.bundle(CA.certificate, b"no certificate")


@pytest.mark.parametrize(
    ("fraction", "age", "due"),
    [
        pytest.param(None, timedelta(days=19, hours=23), False, id="two thirds not reached"),
        pytest.param(None, timedelta(days=20), True, id="two thirds reached"),
        pytest.param(None, timedelta(days=40), True, id="expired"),
        pytest.param(0.5, timedelta(days=15), True, id="another fraction reached"),
        pytest.param(0.5, timedelta(days=14), False, id="another fraction not reached"),
    ],
)
def test_when_a_certificate_needs_renewal(
    fraction: float | None, age: timedelta, due: bool
) -> None:
    start = NOW - authority.CLOCK_SKEW
    certificate = authority.make_authority(NOW, 30 * DAY - authority.CLOCK_SKEW).certificate

    arguments = () if fraction is None else (fraction,)
    assert authority.needs_renewal(certificate, start + age, *arguments) is due
