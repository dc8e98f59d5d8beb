"""A certificate authority and the certificates that it signs, in memory.

Times are aware datetimes; certificates and keys are PEM. Input that cannot be used raises
ValueError. Its text says what is needed instead, and never has key material in it.
"""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_LIFETIME = timedelta(days=3653)
SERVING_LIFETIME = timedelta(days=365)
CLOCK_SKEW = timedelta(minutes=5)
"""How far a client's clock may be behind the clock of the machine that made the certificate."""

_AUTHORITY_NAME = "registry-admission CA"
_SERVING_NAME = "registry-admission"
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DNS_NAME = re.compile(rf"(?:\*\.)?(?:{_LABEL}\.)*(?!\d+$){_LABEL}", re.IGNORECASE | re.ASCII)
"""RFC 1123. A last label of digits only would be a mistyped IP address."""
_MAX_DNS_NAME = 253


@dataclass(frozen=True)
class KeyPair:
    """A certificate, or a chain that starts with it, and its private key. Both are PEM."""

    certificate: bytes
    key: bytes = field(repr=False)


def make_authority(now: datetime, lifetime: timedelta = AUTHORITY_LIFETIME) -> KeyPair:
    """A new CA, which signs certificates of servers and clients, and no further CA."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key()
    name = _named(_AUTHORITY_NAME)
    certificate = (
        _builder(name, name, public, now, now + lifetime)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )
    return _pair(certificate, key)


def make_serving(
    authority: KeyPair, names: Iterable[str], now: datetime, lifetime: timedelta = SERVING_LIFETIME
) -> KeyPair:
    """A server's certificate for DNS names and IP addresses. It ends with its CA at the latest.

    The CA may come from elsewhere. Its key must be ECDSA or RSA.
    """
    alternatives = dict.fromkeys(_alternative(name) for name in names)
    if not alternatives:
        raise ValueError("a serving certificate needs at least one DNS name or IP address")
    names_in_it = x509.SubjectAlternativeName(alternatives)
    usage = ExtendedKeyUsageOID.SERVER_AUTH
    return _signed(authority, _SERVING_NAME, usage, now, lifetime, names_in_it)


def make_client(
    authority: KeyPair, common_name: str, now: datetime, lifetime: timedelta = SERVING_LIFETIME
) -> KeyPair:
    """A client's certificate, which servers know by its common name."""
    return _signed(authority, common_name, ExtendedKeyUsageOID.CLIENT_AUTH, now, lifetime)


def _signed(
    authority: KeyPair,
    common_name: str,
    usage: x509.ObjectIdentifier,
    now: datetime,
    lifetime: timedelta,
    *extensions: x509.ExtensionType,
) -> KeyPair:
    issuer, issuer_key = _issuer(authority, now)
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key()
    not_after = min(now + lifetime, issuer.not_valid_after_utc)
    builder = (
        _builder(_named(common_name), issuer.subject, public, now, not_after)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(_identifier_of(issuer), critical=False)
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return _pair(builder.sign(issuer_key, hashes.SHA256()), key)


def check(pair: KeyPair) -> None:
    """Raises ValueError unless the key is readable and belongs to the first certificate."""
    _load(pair)


def bundle(*certificates: bytes) -> bytes:
    """The certificates of all arguments in order, each once, without anything else."""
    parsed = [one for pem in certificates for one in _chain(pem)]
    return b"".join(one.public_bytes(Encoding.PEM) for one in dict.fromkeys(parsed))


def expires_at(certificate: bytes) -> datetime:
    """When the (first) certificate expires, in UTC."""
    return _chain(certificate)[0].not_valid_after_utc


def issued_at(certificate: bytes) -> datetime:
    """When this module made the (first) certificate, in UTC."""
    return _chain(certificate)[0].not_valid_before_utc + CLOCK_SKEW


def is_valid(certificate: bytes, now: datetime) -> bool:
    """Whether the (first) certificate is valid at that time.

    A certificate from a machine whose clock was wrong may start in the future.
    """
    parsed = _chain(certificate)[0]
    return parsed.not_valid_before_utc <= now < parsed.not_valid_after_utc


def needs_renewal(certificate: bytes, now: datetime, fraction: float = 2 / 3) -> bool:
    """Whether this fraction of the (first) certificate's lifetime has passed."""
    parsed = _chain(certificate)[0]
    life = parsed.not_valid_after_utc - parsed.not_valid_before_utc
    return now >= parsed.not_valid_before_utc + life * fraction


def _named(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey,
    now: datetime,
    not_after: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(not_after)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        if len(name) <= _MAX_DNS_NAME and _DNS_NAME.fullmatch(name):
            return x509.DNSName(name)
        raise ValueError(
            f"{name!r} is neither a DNS name nor an IP address; "
            "write it without scheme and port, and an international name in its xn-- form"
        ) from None


def _issuer(
    pair: KeyPair, now: datetime
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey]:
    certificate, key = _load(pair)
    expiry = certificate.not_valid_after_utc
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise ValueError("the CA's key is neither ECDSA nor RSA; bring a CA with one of these")
    if not _signs_certificates(certificate):
        raise ValueError("the certificate is not a CA's; bring one with basicConstraints CA:TRUE")
    if expiry <= now:
        raise ValueError(f"the CA expired at {expiry.isoformat()}; make a new one")
    return certificate, key


def _signs_certificates(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _identifier_of(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    """The issuer's own key identifier if it has one, because verifiers compare the two."""
    try:
        own = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        own = x509.SubjectKeyIdentifier.from_public_key(issuer.public_key())
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)


def _load(pair: KeyPair) -> tuple[x509.Certificate, PrivateKeyTypes]:
    certificate = _chain(pair.certificate)[0]
    try:
        key = load_pem_private_key(pair.key, password=None)
        belong_together = key.public_key() == certificate.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError(
            "the private key cannot be read; bring it as PEM and without a password"
        ) from None
    if not belong_together:
        raise ValueError("the private key is not the certificate's; bring both of one pair")
    return certificate, key


def _chain(pem: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except (ValueError, x509.InvalidVersion):
        raise ValueError("the certificate cannot be read; bring it as PEM") from None


def _pair(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> KeyPair:
    return KeyPair(
        certificate.public_bytes(Encoding.PEM),
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )
