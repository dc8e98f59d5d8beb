"""Certificates that clients accept, and a folder that keeps its CA."""

import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from app.certs import authority, files
from app.certs.authority import KeyPair
from app.certs.files import CertificateError

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
NAMES = ["registry-admission.registry-admission.svc", "localhost", "127.0.0.1", "::1"]
CA = authority.make_authority(NOW)
OTHER_CA = authority.make_authority(NOW)
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


def parsed(pair: KeyPair) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pair.certificate)


def verify(certificate: bytes, trusted: bytes, name: str, at: datetime = NOW) -> None:
    """Raises VerificationError unless a client that trusts `trusted` accepts the server."""
    store = Store(x509.load_pem_x509_certificates(trusted))
    try:
        subject: x509.GeneralName = x509.IPAddress(ip_address(name))
    except ValueError:
        subject = x509.DNSName(name)
    assert isinstance(subject, x509.DNSName | x509.IPAddress)
    verifier = PolicyBuilder().store(store).time(at).build_server_verifier(subject)
    verifier.verify(x509.load_pem_x509_certificate(certificate), [])


def key_pem(key: Key, encryption: KeySerializationEncryption | None = None) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())


def foreign_authority(
    key: Key, *extensions: x509.ExtensionType, algorithm: hashes.SHA256 | None
) -> KeyPair:
    """A CA as somebody else may have made it."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Example CA")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + 1000 * DAY)
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return KeyPair(builder.sign(key, algorithm).public_bytes(Encoding.PEM), key_pem(key))


IS_CA = x509.BasicConstraints(ca=True, path_length=None)
RSA_KEY = rsa.generate_private_key(65537, 2048)


@pytest.mark.parametrize("name", NAMES)
def test_a_client_that_trusts_the_ca_accepts_every_name(name: str) -> None:
    serving = authority.make_serving(CA, NAMES, NOW)

    verify(serving.certificate, CA.certificate, name)


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
def test_a_client_does_not_accept(trusted: KeyPair, name: str, at: datetime) -> None:
    serving = authority.make_serving(CA, NAMES, NOW)

    with pytest.raises(VerificationError):
        verify(serving.certificate, trusted.certificate, name, at)


def test_a_client_whose_clock_is_a_little_behind_accepts() -> None:
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
def test_how_long_a_serving_certificate_lasts(
    authority_days: int, lifetime: timedelta, days: int
) -> None:
    signer = authority.make_authority(NOW, authority_days * DAY)

    serving = authority.make_serving(signer, NAMES, NOW, lifetime)

    assert authority.expires_at(serving.certificate) == NOW + days * DAY
    assert parsed(serving).not_valid_before_utc == NOW - timedelta(minutes=5)


def test_a_name_given_twice_is_written_once() -> None:
    serving = authority.make_serving(CA, ["::1", "localhost", "0:0::1", "localhost"], NOW)

    names = parsed(serving).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(names) == [x509.IPAddress(ip_address("::1")), x509.DNSName("localhost")]


@pytest.mark.parametrize(
    "name",
    ["", "https://example.com", "example.com:443", "[::1]", "a b", "-a.example.com", "a..b",
     "127.0.0.256", "bücher.example", "a" * 64 + ".com", "a." * 127 + "com", "localhost\n", "*"],
)  # fmt: skip
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="neither a DNS name nor an IP address; write it"):
        authority.make_serving(CA, ["localhost", name], NOW)


@pytest.mark.parametrize("name", ["*.example.com", "xn--bcher-kva.example", "1.example", "A1-b"])
def test_names_of_every_legal_form_are_taken(name: str) -> None:
    serving = authority.make_serving(CA, [name], NOW)

    names = parsed(serving).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(names) == [x509.DNSName(name)]


def test_a_certificate_for_nobody_is_refused() -> None:
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
def test_a_ca_made_elsewhere_signs_too(
    extensions: list[x509.ExtensionType], identifier: bytes
) -> None:
    signer = foreign_authority(RSA_KEY, *extensions, algorithm=hashes.SHA256())

    serving = parsed(authority.make_serving(signer, NAMES, NOW))

    serving.verify_directly_issued_by(parsed(signer))
    issuer = serving.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert issuer.key_identifier == identifier


def unusable_authorities() -> Iterator[tuple[KeyPair, str]]:
    ec_key = ec.generate_private_key(ec.SECP256R1())
    edwards = ed25519.Ed25519PrivateKey.generate()
    encrypted = key_pem(RSA_KEY, BestAvailableEncryption(b"secret"))
    rsa_ca = foreign_authority(RSA_KEY, IS_CA, algorithm=hashes.SHA256())
    yield authority.make_authority(NOW - 5000 * DAY), "the CA expired at 2026"
    yield authority.make_serving(CA, NAMES, NOW), "not a CA's"
    yield foreign_authority(ec_key, algorithm=hashes.SHA256()), "not a CA's"
    yield foreign_authority(edwards, IS_CA, algorithm=None), "neither ECDSA nor RSA"
    yield KeyPair(CA.certificate, OTHER_CA.key), "the private key is not the certificate's"
    yield KeyPair(rsa_ca.certificate, encrypted), "without a password"
    yield KeyPair(CA.certificate, b"no key"), "private key cannot be read"
    yield KeyPair(b"no certificate", CA.key), "certificate cannot be read"


@pytest.mark.parametrize(("signer", "problem"), unusable_authorities())
def test_an_authority_that_cannot_sign_is_refused(signer: KeyPair, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        authority.make_serving(signer, NAMES, NOW)


def test_a_key_pair_does_not_print_its_key() -> None:
    assert "PRIVATE" not in f"{CA} {CA!r}"


def test_a_client_that_trusts_a_bundle_accepts_servers_of_both_authorities() -> None:
    trusted = authority.bundle(CA.certificate, OTHER_CA.certificate)

    for signer in (CA, OTHER_CA):
        verify(authority.make_serving(signer, NAMES, NOW).certificate, trusted, "localhost")


def test_a_bundle_holds_each_certificate_once_and_no_key() -> None:
    both = authority.bundle(CA.key + CA.certificate, OTHER_CA.certificate.strip())

    assert authority.bundle(both, CA.certificate) == CA.certificate + OTHER_CA.certificate


def test_a_bundle_of_what_is_no_certificate_is_refused() -> None:
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


def test_made_files_have_the_names_of_a_tls_secret_and_private_keys(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "tls"
    before = os.umask(0)
    try:
        made = files.make(folder, NAMES, NOW)
    finally:
        os.umask(before)

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert modes == {"ca.crt": 0o644, "ca.key": 0o600, "tls.crt": 0o644, "tls.key": 0o600}
    assert files.read(folder / "tls.crt", folder / "tls.key") == made
    verify(made.certificate, (folder / "ca.crt").read_bytes(), "localhost")


def test_the_next_serving_certificate_is_of_the_same_ca(tmp_path: Path) -> None:
    first = files.make(tmp_path, NAMES, NOW)
    ca = {name: (tmp_path / name).read_bytes() for name in ("ca.crt", "ca.key")}

    second = files.make(tmp_path, ["other.example"], NOW + DAY)

    assert parsed(second).serial_number != parsed(first).serial_number
    assert {name: (tmp_path / name).read_bytes() for name in ca} == ca
    verify(second.certificate, ca["ca.crt"], "other.example", NOW + DAY)


def test_an_expired_ca_is_replaced_and_said_to_be(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files.make(tmp_path, NAMES, NOW)
    old = (tmp_path / "ca.crt").read_bytes()
    later = NOW + authority.AUTHORITY_LIFETIME

    made = files.make(tmp_path, NAMES, later)

    new = (tmp_path / "ca.crt").read_bytes()
    assert new != old
    verify(made.certificate, new, "localhost", later)
    assert f"{tmp_path / 'ca.crt'} expired at 2040-01-02" in caplog.text


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("present", "problem"),
    [
        pytest.param({"ca.crt"}, "ca.key is missing", id="a CA without its key"),
        pytest.param({"ca.key", "tls.crt", "tls.key"}, "ca.crt is missing", id="only a CA's key"),
        pytest.param({"tls.crt", "tls.key"}, "tls.crt was not made by a CA", id="no CA"),
        pytest.param({"tls.key"}, "tls.key was not made by a CA", id="a serving key alone"),
    ],
)
def test_what_cannot_be_replaced_is_left_alone(
    tmp_path: Path, present: set[str], problem: str
) -> None:
    files.make(tmp_path, NAMES, NOW)
    for path in tmp_path.iterdir():
        if path.name not in present:
            path.unlink()
    before = contents(tmp_path)

    with pytest.raises(CertificateError, match=rf"^{tmp_path}/{problem}.*; .*remove"):
        files.make(tmp_path, NAMES, NOW)

    assert contents(tmp_path) == before


def test_a_serving_pair_that_is_half_written_is_made_again(tmp_path: Path) -> None:
    files.make(tmp_path, NAMES, NOW)
    (tmp_path / "tls.crt").unlink()

    made = files.make(tmp_path, NAMES, NOW)

    assert files.read(tmp_path / "tls.crt", tmp_path / "tls.key") == made


def test_a_ca_whose_key_is_another_is_named(tmp_path: Path) -> None:
    files.make(tmp_path, NAMES, NOW)
    (tmp_path / "ca.key").write_bytes(OTHER_CA.key)

    with pytest.raises(CertificateError, match=f"{tmp_path}/ca.crt with {tmp_path}/ca.key: the pr"):
        files.make(tmp_path, NAMES, NOW)


def test_a_wrong_name_writes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "tls"

    with pytest.raises(CertificateError, match=f"no certificate made in {folder}: 'a b' is neith"):
        files.make(folder, ["localhost", "a b"], NOW)

    assert not folder.exists()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "tls"

    with pytest.raises(CertificateError, match=rf"cannot write certificates to {folder}: .*; choo"):
        files.make(folder, NAMES, NOW)


def test_a_failed_replacement_leaves_no_key_behind(tmp_path: Path) -> None:
    files.make(tmp_path, NAMES, NOW)
    (tmp_path / "tls.key").unlink()
    (tmp_path / "tls.key").mkdir()

    with pytest.raises(CertificateError, match=f"cannot write certificates to {tmp_path}"):
        files.make(tmp_path, NAMES, NOW)

    assert {path.name for path in tmp_path.iterdir()} == {"ca.crt", "ca.key", "tls.crt", "tls.key"}


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    files.make(tmp_path, NAMES, NOW)

    with pytest.raises(CertificateError, match=f"cannot read {tmp_path}: .*; give this user"):
        files.read(tmp_path / "tls.crt", tmp_path)


def test_a_made_key_is_read_by_others(tmp_path: Path) -> None:
    made = files.make(tmp_path, NAMES, NOW)

    assert made.key.startswith(b"-----BEGIN PRIVATE KEY-----\n")
    assert load_pem_private_key(made.key, None).public_key() == parsed(made).public_key()
