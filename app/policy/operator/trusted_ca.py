"""Checks of the ConfigMap with the CA certificates for the registry's object storage.

The key is the one of `imageregistry.operator.openshift.io/v1`: `ca-bundle.crt`.
"""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from app.model.core import ConfigMap
from app.policy.operator.field_checks import shown
from app.policy.verdict import Verdict

KEY = "ca-bundle.crt"
NEAR_EXPIRY = timedelta(days=30)

_BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


def check(config_map: ConfigMap, title: str, replace: str, now: datetime) -> Verdict:
    """Check which certificates of a CA bundle are trusted at a time with a zone.

    Refuse it if no certificate is valid now. Warn about broken, expired or soon expiring ones
    beside a valid one. `replace` is the command that creates the ConfigMap again.
    """
    verdict = Verdict()
    if KEY not in config_map.data:
        keys = ", ".join(sorted(config_map.data)[:3]) or "no keys"
        verdict.deny("TrustedCAInvalid", f"{title} has {shown(keys)}, not {KEY}", replace)
        return verdict
    blocks = _BLOCK.findall(config_map.data[KEY])
    certificates = list(_parsed(blocks))
    if not certificates:
        what = "no PEM certificate" if not blocks else "no certificate that can be read"
        verdict.deny("TrustedCAInvalid", f"{KEY} of {title} holds {what}", replace)
        return verdict
    if broken := len(blocks) - len(certificates):
        verdict.warn(f"certificates that cannot be read in {KEY} of {title}: {broken}")
    _check_validity(verdict, certificates, f"of {title}", replace, now)
    return verdict


def _check_validity(
    verdict: Verdict, certificates: list[x509.Certificate], of: str, replace: str, now: datetime
) -> None:
    ended = [one for one in certificates if one.not_valid_after_utc < now]
    valid = [one for one in certificates if one.not_valid_before_utc <= now and one not in ended]
    if not valid:
        first = ended[0] if ended else certificates[0]
        verdict.deny(
            "TrustedCAExpired" if ended else "TrustedCANotYetValid",
            f"{_named(first)} {of} "
            + (
                f"expired on {first.not_valid_after_utc:%Y-%m-%d}"
                if ended
                else f"is valid from {first.not_valid_before_utc:%Y-%m-%d} only"
            ),
            replace,
        )
        return
    if ended:
        verdict.warn(f"{len(ended)} of {len(certificates)} certificates {of} have expired")
    next_end = min(valid, key=lambda one: one.not_valid_after_utc)
    if next_end.not_valid_after_utc - now < NEAR_EXPIRY:
        verdict.warn(
            f"{_named(next_end)} {of} expires on {next_end.not_valid_after_utc:%Y-%m-%d}: "
            "have its successor in the bundle by then"
        )


def _named(certificate: x509.Certificate) -> str:
    return f"certificate {shown(certificate.subject.rfc4514_string())}"


def _parsed(blocks: list[str]) -> Iterator[x509.Certificate]:
    for block in blocks:
        try:
            certificate = x509.load_pem_x509_certificate(block.encode())
            certificate.subject.rfc4514_string()
        except (ValueError, UnsupportedAlgorithm):
            continue
        yield certificate
