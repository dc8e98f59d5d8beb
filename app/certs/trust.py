"""Whether clients accept a serving certificate: by its names, and by its issuer.

Certificates are PEM. Certificates that cannot be read raise ValueError.
"""

import ipaddress
from collections.abc import Iterable

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding


def missing_names(certificate: bytes, names: Iterable[str]) -> list[str]:
    """The DNS names and IP addresses of `names` that the certificate does not have."""
    parsed = x509.load_pem_x509_certificate(certificate)
    try:
        covered = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return list(names)
    patterns = {name.lower() for name in covered.get_values_for_type(x509.DNSName)}
    addresses = set(covered.get_values_for_type(x509.IPAddress))
    return [
        name for name in names if not _covers_host(patterns, name) and _ip(name) not in addresses
    ]


def is_trusted(certificate: bytes, trusted: bytes) -> bool:
    """Whether a chain, the server's certificate first, ends at one of the trusted certificates."""
    last = x509.load_pem_x509_certificates(certificate)[-1]
    return any(
        last == root or _signed(root, last) for root in x509.load_pem_x509_certificates(trusted)
    )


def split(trusted: bytes) -> list[bytes]:
    """The certificates of a bundle, one by one."""
    return [
        certificate.public_bytes(Encoding.PEM)
        for certificate in x509.load_pem_x509_certificates(trusted)
    ]


def _covers_host(patterns: set[str], name: str) -> bool:
    host = name.lower()
    return host in patterns or f"*.{host.partition('.')[2]}" in patterns


def _ip(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def _signed(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
