"""Certificates in a folder, under the names of a `kubernetes.io/tls` Secret."""

import logging
import shlex
import ssl
import tempfile
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

from app.certs import authority
from app.certs.authority import KeyPair
from app.model.errors import UnusableError, file_problem

logger = logging.getLogger("registry_admission.certs")

AUTHORITY = "ca.crt"
AUTHORITY_KEY = "ca.key"
CERTIFICATE = "tls.crt"
KEY = "tls.key"

_PUBLIC = 0o644
_PRIVATE = 0o600


class CertificateError(UnusableError):
    """Files that cannot be read, used or written. The text names them and a next step."""


def make(folder: Path, names: Iterable[str], now: datetime | None = None) -> KeyPair:
    """Write a new serving certificate for DNS names and IP addresses, and return it.

    The CA in the folder signs it, so that clients which trust that CA go on working. A new CA is
    made if there is none, or if it is not valid now. Nothing is written if anything is wrong.
    Raises CertificateError.
    """
    now = now or datetime.now(UTC)

    def sign(signer: KeyPair) -> dict[str, bytes]:
        serving = authority.make_serving(signer, names, now)
        return {KEY: serving.key, CERTIFICATE: serving.certificate}

    written = write_signed(folder, now, sign)
    return KeyPair(written[CERTIFICATE], written[KEY])


def write_signed(
    folder: Path, now: datetime, sign: Callable[[KeyPair], dict[str, bytes]]
) -> dict[str, bytes]:
    """Write the files that `sign` makes with the folder's CA, by name, and return them.

    A CA is made if there is none, or if it is not valid now. Nothing is written if `sign` raises
    ValueError. Raises CertificateError.
    """
    try:
        found = _usable_authority(folder, now)
        signer = found or authority.make_authority(now)
        contents = sign(signer)
        if not found:
            contents = {AUTHORITY_KEY: signer.key, AUTHORITY: signer.certificate, **contents}
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            _write(folder / name, content, _PRIVATE if name.endswith(".key") else _PUBLIC)
    except ValueError as error:
        raise CertificateError(f"no certificate made in {folder}: {error}") from None
    except OSError as error:
        raise _unwritable(folder, error) from None
    return contents


def save(folder: Path, serving: KeyPair) -> None:
    """Replace the serving certificate in a folder. Raises CertificateError."""
    try:
        _write_serving(folder, serving)
    except OSError as error:
        raise _unwritable(folder, error) from None


def read(certificate: Path, key: Path) -> KeyPair:
    """A certificate and the key that belongs to it. Raises CertificateError."""
    if not certificate.exists() and not key.exists():
        raise CertificateError(
            f"{certificate} and {key} are missing; make them with `registry-admission certs make "
            f"--out {shlex.quote(str(certificate.parent))}`, or choose another folder"
        )
    pair = KeyPair(_read(certificate), _read(key))
    try:
        authority.check(pair)
    except ValueError as error:
        raise CertificateError(f"{certificate} with {key}: {error}") from None
    return pair


def trusting(authorities: Path | None) -> ssl.SSLContext:
    """The TLS context of a client that trusts the CAs in a file; without one, the system's.

    Raises CertificateError.
    """
    try:
        return ssl.create_default_context(cafile=authorities)
    except ssl.SSLError:
        raise CertificateError(f"no CA certificates in {authorities}: it is not PEM") from None
    except OSError as error:
        problem = file_problem(error)
        raise CertificateError(f"no CA certificates in {authorities}: {problem}") from None


def _usable_authority(folder: Path, now: datetime) -> KeyPair | None:
    certificate, key = folder / AUTHORITY, folder / AUTHORITY_KEY
    if not certificate.exists() and not key.exists():
        _refuse_to_replace(folder)
        return None
    pair = read(certificate, key)
    if authority.is_valid(pair.certificate, now):
        return pair
    expiry, made = authority.expires_at(pair.certificate), authority.issued_at(pair.certificate)
    logger.warning(
        "%s %s, a new CA replaces it: give its clients the new file",
        certificate,
        f"expired at {expiry.isoformat()}"
        if expiry <= now
        else f"was made at {made.isoformat()}, which is in the future",
    )
    return None


def _refuse_to_replace(folder: Path) -> None:
    """Keep a serving certificate without its CA beside it: it came from elsewhere, and may be the
    only copy."""
    for path in (folder / CERTIFICATE, folder / KEY):
        if path.exists():
            raise CertificateError(
                f"{path} was not made by a CA in this folder and is not replaced; "
                "choose another folder, or remove it first"
            )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise CertificateError(
            f"{path} is missing; a certificate and its key are needed together: bring it, "
            "or remove the other one and make both with `registry-admission certs make --out "
            f"{shlex.quote(str(path.parent))}`"
        ) from None
    except OSError as error:
        raise CertificateError(
            f"cannot read {path}: {error.strerror}; give this user the right to read it"
        ) from None


def _unwritable(folder: Path, error: OSError) -> CertificateError:
    return CertificateError(
        f"cannot write certificates to {folder}: {error.strerror}; "
        "choose a folder that you may write to"
    )


def _write_serving(folder: Path, serving: KeyPair) -> None:
    _write(folder / KEY, serving.key, _PRIVATE)
    _write(folder / CERTIFICATE, serving.certificate, _PUBLIC)


def _write(path: Path, content: bytes, mode: int) -> None:
    """Replace a file in one step: a reader sees the old content or the new one."""
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".certs-") as scratch:
        new = Path(scratch) / path.name
        new.touch(mode=_PRIVATE)
        new.write_bytes(content)
        new.chmod(mode)
        new.replace(path)
