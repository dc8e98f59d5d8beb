"""The objects that S3 storage needs besides Config/cluster: credentials and a CA."""

from collections.abc import Iterator
from datetime import timedelta

from app.certs import authority, trust
from app.doctor.finding import Finding, listed, title
from app.doctor.snapshot import Snapshot
from app.model.core import ConfigMap, Secret
from app.model.credentials import S3_KEYS, SECRET, create_command
from app.policy.operator.trusted_ca import KEY

_MERGED = "image-registry-private-configuration"
_SOON = timedelta(days=30)


def check_credentials(snapshot: Snapshot) -> Iterator[Finding]:
    """Check the keys of the Secret that the operator merges. Its values are not read."""
    config = snapshot.config
    if config is None or config.spec.storage.s3 is None:
        return
    namespace = snapshot.registry_namespace
    users = snapshot.find(Secret, SECRET, namespace)
    merged = snapshot.find(Secret, _MERGED, namespace)
    create = create_command(namespace)
    subject = title("Secret", SECRET, namespace)
    if users is None:
        has_copy = merged is not None and not _lacking(merged)
        yield Finding(
            "warning" if has_copy else "error",
            "CredentialsMissing",
            subject,
            "Config cluster uses s3, and the Secret with its credentials does not exist"
            + (f"; the operator still has them in {_MERGED}" if has_copy else ""),
            (create,),
        )
        return
    lacking = _lacking(users)
    if lacking:
        yield Finding(
            "error",
            "CredentialsIncomplete",
            subject,
            f"it has no value for {listed(lacking)}",
            (f"kubectl -n {namespace} describe secret {SECRET}   # shows keys, not values",),
            (f"keys: {listed(sorted(users.filled)) or 'none'}",),
        )
    elif merged is not None and _lacking(merged):
        yield Finding(
            "warning",
            "CredentialsNotMerged",
            title("Secret", _MERGED, namespace),
            f"the operator has not merged {listed(_lacking(merged))} of {SECRET} into it",
            (
                f"kubectl -n {namespace} get deployments,pods   # does the operator run?",
                f"kubectl -n {namespace} describe secret {_MERGED}   # shows keys, not values",
            ),
        )


def check_trusted_ca(snapshot: Snapshot) -> Iterator[Finding]:
    """Check the ConfigMap with the CA that the registry trusts for its storage."""
    config = snapshot.config
    s3 = config.spec.storage.s3 if config else None
    if s3 is None or not s3.trusted_ca.name:
        return
    name = s3.trusted_ca.name
    namespace = snapshot.ca_namespace or snapshot.registry_namespace
    subject = title("ConfigMap", name, namespace)
    config_map = snapshot.find(ConfigMap, name, namespace)
    create = f"kubectl -n {namespace} create configmap {name} --from-file={KEY}=<file>"
    if config_map is None:
        yield Finding(
            "error",
            "TrustedCAMissing",
            subject,
            "spec.storage.s3.trustedCA names it, and it does not exist",
            (create,),
        )
        return
    replace = (
        f"{create} --dry-run=client -o yaml | kubectl apply -f -   # with the endpoint's present CA"
    )
    certificates = _certificates(config_map.data.get(KEY, ""))
    if not certificates:
        yield Finding(
            "error",
            "TrustedCAUnreadable",
            subject,
            f"it has no PEM certificate under {KEY}, so the s3 endpoint is not trusted",
            (replace,),
            (f"keys: {listed(sorted(config_map.data)) or 'none'}",),
        )
        return
    last = max(authority.expires_at(pem) for pem in certificates)
    evidence = (f"the last of its {len(certificates)} certificates ends at {last.isoformat()}",)
    if last <= snapshot.taken:
        problem = "every certificate in it has expired, so the s3 endpoint is not trusted"
        yield Finding("error", "TrustedCAExpired", subject, problem, (replace,), evidence)
    elif last <= snapshot.taken + _SOON:
        problem = f"its certificates expire within {_SOON.days} days"
        yield Finding("warning", "TrustedCAExpiresSoon", subject, problem, (replace,), evidence)


def _lacking(secret: Secret) -> list[str]:
    return [key for key in S3_KEYS if not secret.filled.get(key)]


def _certificates(text: str) -> list[bytes]:
    try:
        return trust.split(text.encode())
    except ValueError:
        return []
