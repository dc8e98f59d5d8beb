"""What a TLS handshake costs the service and its client, by the type of key and the chain.

Both ends are in this process, over memory. CPU time, the lowest of some rounds.
"""

import contextlib
import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from app.certs import files
from app.certs.reload import ServingContext

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
KEYS: dict[str, Callable[[], Key]] = {
    "ECDSA P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ECDSA P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "RSA 2048": lambda: rsa.generate_private_key(65537, 2048),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
}
HANDSHAKES, ROUNDS = 300, 3


def certificate(key: Key, signer: Key, name: str, issuer: str) -> bytes:
    """A certificate of a CA for a `name` other than `localhost`, in PEM."""
    now = datetime.now(UTC)
    is_ca = name != "localhost"
    builder = (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .issuer_name(_named(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    )
    algorithm = None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(signer, algorithm).public_bytes(Encoding.PEM)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def contexts(kind: str, length: int, folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The service's context with a chain of so many certificates, and its client's."""
    root, leaf = KEYS[kind](), KEYS[kind]()
    trusted = certificate(root, root, "root", "root")
    signer, issuer, chain = root, "root", b""
    for number in range(length - 1):
        key, name = KEYS[kind](), f"intermediate-{number}"
        chain = certificate(key, signer, name, issuer) + chain
        signer, issuer = key, name
    chain = certificate(leaf, signer, "localhost", issuer) + chain
    (folder / files.CERTIFICATE).write_bytes(chain)
    pem = leaf.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / files.KEY).write_bytes(pem)
    service = ServingContext(folder / files.CERTIFICATE, folder / files.KEY)
    return service.ssl, ssl.create_default_context(cadata=trusted.decode())


def handshake(service: ssl.SSLContext, client: ssl.SSLContext) -> tuple[float, float]:
    """Seconds of CPU of both ends."""
    to_service, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        service.wrap_bio(to_service, to_client, server_side=True),
        client.wrap_bio(to_client, to_service, server_hostname="localhost"),
    )
    taken = [0.0, 0.0]
    for _ in range(3):
        for index in (1, 0):
            started = time.process_time()
            with contextlib.suppress(ssl.SSLWantReadError):
                ends[index].do_handshake()
            taken[index] += time.process_time() - started
    return taken[0], taken[1]


def measure(kind: str, length: int) -> tuple[float, float]:
    with TemporaryDirectory() as folder:
        service, client = contexts(kind, length, Path(folder))
        rounds = [
            [sum(end) / HANDSHAKES for end in zip(*pairs, strict=True)]
            for pairs in (
                [handshake(service, client) for _ in range(HANDSHAKES)] for _ in range(ROUNDS)
            )
        ]
    return min(one[0] for one in rounds), min(one[1] for one in rounds)


def main() -> None:
    print(f"{ssl.OPENSSL_VERSION}, TLS 1.3\n")
    print("| key | certificates sent | service | client |\n|---|---|---|---|")
    for kind in KEYS:
        for length in (1, 2):
            service, client = measure(kind, length)
            print(f"| {kind} | {length} | {service * 1e3:.2f} ms | {client * 1e3:.2f} ms |")


if __name__ == "__main__":
    main()
