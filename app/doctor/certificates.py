"""The serving certificate: it exists, it is valid now, and it has the Service's name."""

from collections.abc import Iterator
from datetime import timedelta

from app.certs import authority, trust
from app.doctor.finding import Finding, title
from app.doctor.snapshot import Snapshot
from app.doctor.webhooks import SERVED
from app.doctor.workloads import SERVICE
from app.model.core import Secret
from app.model.workloads import Deployment

_SOON = timedelta(days=21)
"""Remaining life below which to warn. Usual renewal, at two thirds of the life, comes earlier."""


def check(snapshot: Snapshot) -> Iterator[Finding]:
    """Report on the serving certificate if the service is installed."""
    namespace = snapshot.service_namespace
    if snapshot.find(Deployment, SERVICE, namespace) is None:
        return
    subject = title("Secret", SERVED, namespace)
    logs = f"kubectl -n {namespace} logs deployment/{SERVICE} --tail=50"
    secret = snapshot.find(Secret, SERVED, namespace)
    pem = secret.certificates.get("tls.crt", b"") if secret else b""
    if secret is None or not pem:
        yield Finding(
            "error",
            "CertificateMissing",
            subject,
            "it does not exist" if secret is None else "it has no tls.crt",
            (logs, f"kubectl -n {namespace} get secret,certificates"),
        )
        return
    name = f"{SERVICE}.{namespace}.svc"
    try:
        end = authority.expires_at(pem)
        missing = trust.missing_names(pem, [name])
    except ValueError as error:
        yield Finding("error", "CertificateUnreadable", subject, f"tls.crt: {error}", (logs,))
        return
    if missing:
        yield Finding(
            "error",
            "CertificateNameMismatch",
            subject,
            f"its certificate is not for {name}, as which API servers call the service",
            (f"registry-admission certs make --out tls/ --name {name}", logs),
        )
    evidence = (f"it ends at {end.isoformat()}",)
    if end <= snapshot.taken:
        problem = "its certificate has expired: API servers cannot call the service"
        yield Finding("error", "CertificateExpired", subject, problem, (logs,), evidence)
    elif not authority.is_valid(pem, snapshot.taken):
        made = (f"it was made at {authority.issued_at(pem).isoformat()}",)
        problem = (
            "its certificate is not valid yet: the clock of its maker or of this machine is wrong"
        )
        yield Finding("error", "CertificateNotYetValid", subject, problem, (logs,), made)
    elif end <= snapshot.taken + _SOON:
        problem = f"its certificate expires within {_SOON.days} days, and was not renewed"
        yield Finding("warning", "CertificateExpiresSoon", subject, problem, (logs,), evidence)
