"""The replicas' shared certificates, and the next step of their rotation.

A CA signs the serving certificate. Both are replaced after two thirds of their lifetime. At each
step, clients trust the certificates of all replicas:

1. a *successor* of the CA is made and published beside it, but signs nothing yet;
2. when every API server has had time to see the successor, it becomes the CA and signs a new
   serving certificate; the old CA stays published, because other replicas still serve its
   certificate;
3. when the other replicas have had time to load the new certificate, the old CA is removed.

A serving certificate of the same CA is trusted at once. Everything here is pure.
"""

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from app.certs import authority, files, trust
from app.certs.authority import KeyPair

SUCCESSOR = "next-ca.crt"
SUCCESSOR_KEY = "next-ca.key"


@dataclass(frozen=True)
class Schedule:
    authority_lifetime: timedelta = authority.AUTHORITY_LIFETIME
    serving_lifetime: timedelta = authority.SERVING_LIFETIME
    overlap: timedelta = timedelta(hours=1)
    """Time for replicas and API servers to see a change; much more than they need."""


@dataclass(frozen=True)
class Certificates:
    """The content of the Secret."""

    serving: KeyPair
    signer: KeyPair
    """The CA that signed `serving` and will sign the next ones."""
    trusted: bytes
    """The CAs that clients have to trust, the signer first."""
    successor: KeyPair | None = None


def next_step(
    found: Certificates | None,
    *,
    names: Sequence[str],
    now: datetime,
    in_force_since: datetime | None,
    published: Sequence[bytes] = (),
    schedule: Schedule,
) -> Certificates | None:
    """The certificates to store next; None if nothing is due.

    `in_force_since`: since when clients are known to trust `found.trusted`. If nothing was found,
    the `published` CAs stay trusted, because other replicas may still serve their certificates.
    Raises ValueError for an invalid name.
    """
    if found is None:
        return _begin(names, now, published, schedule)
    useless = not is_valid(found.signer, now)
    successor = found.successor
    if successor is not None and is_valid(successor, now):
        known = in_force_since is not None and now - in_force_since >= schedule.overlap
        if known or useless:
            return _succeed(successor, trust.split(found.trusted), names, now, schedule)
    elif useless:
        return _begin(names, now, trust.split(found.trusted), schedule)
    elif authority.needs_renewal(found.signer.certificate, now):
        made = authority.make_authority(now, schedule.authority_lifetime)
        bundle = authority.bundle(found.trusted, made.certificate)
        return replace(found, trusted=bundle, successor=made)
    if _is_due(found.serving, names, now):
        serving = authority.make_serving(found.signer, names, now, schedule.serving_lifetime)
        return replace(found, serving=serving)
    return _retire(found, now, schedule)


def is_valid(pair: KeyPair, now: datetime) -> bool:
    """Whether the certificate is valid for clients whose clocks are right."""
    return authority.is_valid(pair.certificate, now)


def encode(certificates: Certificates) -> dict[str, str]:
    """The data of a Secret of type `kubernetes.io/tls`."""
    content = {
        files.CERTIFICATE: certificates.serving.certificate,
        files.KEY: certificates.serving.key,
        files.AUTHORITY: certificates.trusted,
        files.AUTHORITY_KEY: certificates.signer.key,
    }
    if certificates.successor:
        content[SUCCESSOR] = certificates.successor.certificate
        content[SUCCESSOR_KEY] = certificates.successor.key
    return {name: b64encode(pem).decode() for name, pem in content.items()}


def decode(data: Mapping[str, str | None]) -> Certificates:
    """The certificates in the data of a Secret. Raises ValueError for data that cannot be used."""
    try:
        # The API server may return an empty value as null.
        content = {name: b64decode(text or "") for name, text in data.items()}
        serving = KeyPair(content[files.CERTIFICATE], content[files.KEY])
        trusted = authority.bundle(content[files.AUTHORITY])
        signer = KeyPair(trust.split(trusted)[0], content[files.AUTHORITY_KEY])
    except KeyError as error:
        raise ValueError(f"{error.args[0]} is missing") from None
    successor = None
    if SUCCESSOR in content:
        successor = KeyPair(content[SUCCESSOR], content.get(SUCCESSOR_KEY, b""))
        authority.check(successor)
    authority.check(serving)
    authority.check(signer)
    if not trust.is_trusted(serving.certificate, trusted):
        raise ValueError(f"{files.CERTIFICATE} is not signed by {files.AUTHORITY}")
    return Certificates(serving, signer, trusted, successor)


def _begin(
    names: Sequence[str], now: datetime, published: Sequence[bytes], schedule: Schedule
) -> Certificates:
    signer = authority.make_authority(now, schedule.authority_lifetime)
    return _succeed(signer, published, names, now, schedule)


def _succeed(
    signer: KeyPair,
    published: Sequence[bytes],
    names: Sequence[str],
    now: datetime,
    schedule: Schedule,
) -> Certificates:
    serving = authority.make_serving(signer, names, now, schedule.serving_lifetime)
    others = [one for one in published if authority.expires_at(one) > now]
    return Certificates(serving, signer, authority.bundle(signer.certificate, *others))


def _retire(found: Certificates, now: datetime, schedule: Schedule) -> Certificates | None:
    """Remove the CAs whose certificates no replica serves any more."""
    successor = [found.successor.certificate] if found.successor else []
    trusted = authority.bundle(found.signer.certificate, *successor)
    others = set(trust.split(found.trusted)) - set(trust.split(trusted))
    served_for = now - authority.issued_at(found.serving.certificate)
    return replace(found, trusted=trusted) if others and served_for >= schedule.overlap else None


def _is_due(serving: KeyPair, names: Sequence[str], now: datetime) -> bool:
    missing = trust.missing_names(serving.certificate, names)
    used_up = authority.needs_renewal(serving.certificate, now)
    return bool(missing) or used_up or not is_valid(serving, now)
