"""Webhook configurations that differ from `install`'s, or do not trust the service."""

import json
from base64 import b64decode
from collections.abc import Iterator, Mapping
from typing import Any

from app.certs import trust
from app.doctor.finding import Finding, Severity, title
from app.doctor.installation import install_command
from app.doctor.snapshot import NotReadError, Snapshot
from app.doctor.workloads import SERVICE
from app.model.core import Secret
from app.model.webhooks import WEBHOOK_KINDS, WebhookConfiguration
from app.model.workloads import Deployment

SERVED = "registry-admission-tls"
"""The Secret with the serving certificate."""
_DECISIVE = ("rules", "matchConditions", "namespaceSelector", "objectSelector", "clientConfig")
"""The fields that decide whether an API server calls the webhook."""
_MAX_SHOWN = 120


def check(snapshot: Snapshot) -> Iterator[Finding]:
    """Compare both configurations. Extra fields are defaults of the API server: ignore them."""
    missing = [kind for kind in WEBHOOK_KINDS if snapshot.find(kind, SERVICE) is None]
    if (
        len(missing) == len(WEBHOOK_KINDS)
        and snapshot.find(Deployment, SERVICE, snapshot.service_namespace) is None
    ):
        yield Finding(
            "warning",
            "NotInstalled",
            title("Deployment", SERVICE, snapshot.service_namespace),
            "this service is not installed: limits are stored, and not enforced",
            (install_command(snapshot),),
        )
        return
    for kind in WEBHOOK_KINDS:
        found, wanted = snapshot.find(kind, SERVICE), _wanted(snapshot, kind)
        if found is None:
            yield Finding(
                "error",
                "WebhooksMissing",
                title(_kind(kind), SERVICE),
                "it does not exist, so the service is not asked",
                (install_command(snapshot),),
            )
        else:
            yield from _compare(snapshot, found, wanted)


def check_trust(snapshot: Snapshot) -> Iterator[Finding]:
    """Check that API servers trust the serving certificate."""
    found = [item for kind in WEBHOOK_KINDS if (item := snapshot.find(kind, SERVICE)) is not None]
    empty = {
        item.title: [hook["name"] for hook in item.webhooks if not _bundle(hook)] for item in found
    }
    for subject, names in empty.items():
        if names:
            yield Finding(
                "error",
                "CABundleEmpty",
                subject,
                "its caBundle is empty, so API servers cannot call the service: requests "
                "to webhooks with failurePolicy Fail are refused",
                _look(snapshot),
                (f"webhooks: {', '.join(names)}",),
            )
    certificate = _served(snapshot) if found else None
    for item in found if certificate else ():
        distrusting = [
            hook["name"]
            for hook in item.webhooks
            if _bundle(hook) and not _trusts(_bundle(hook), certificate or b"")
        ]
        if distrusting:
            yield Finding(
                "error",
                "CABundleMismatch",
                item.title,
                f"its caBundle does not trust the certificate in Secret {SERVED}: requests "
                "to webhooks with failurePolicy Fail are refused",
                _look(snapshot),
                (f"webhooks: {', '.join(distrusting)}",),
            )


def _served(snapshot: Snapshot) -> bytes | None:
    """Raises NotReadError."""
    secret = snapshot.find(Secret, SERVED, snapshot.service_namespace)
    return secret.certificates.get("tls.crt") or None if secret else None


def _trusts(bundle: bytes, certificate: bytes) -> bool:
    try:
        return trust.is_trusted(certificate, bundle)
    except (ValueError, IndexError):
        return False


def _bundle(hook: Mapping[str, Any]) -> bytes:
    try:
        return b64decode((hook.get("clientConfig") or {}).get("caBundle") or "")
    except ValueError:
        return b"-"


def _wanted(snapshot: Snapshot, kind: type[WebhookConfiguration]) -> list[dict[str, Any]]:
    for manifest in snapshot.installation:
        if manifest["kind"] == _kind(kind):
            webhooks: list[dict[str, Any]] = manifest["webhooks"]
            return webhooks
    raise NotReadError(f"the manifests of install have no {_kind(kind)}")


def _compare(
    snapshot: Snapshot, found: WebhookConfiguration, wanted: list[dict[str, Any]]
) -> Iterator[Finding]:
    present = {hook.get("name"): hook for hook in found.webhooks}
    for hook in wanted:
        name = hook["name"]
        if name not in present:
            if name in snapshot.optional_webhooks:
                continue
            yield _outdated(snapshot, found, "error", f"webhook {name} is missing", ())
            continue
        differences = list(_differences(hook, present[name], ""))
        if differences:
            decisive = any(path.startswith(_DECISIVE) for path, _ in differences)
            yield _outdated(
                snapshot,
                found,
                "error" if decisive else "warning",
                f"webhook {name} is not as install prints it",
                tuple(f"{path}: {text}" for path, text in differences),
            )
    extra = present.keys() - {hook["name"] for hook in wanted}
    for name in sorted(map(str, extra)):
        yield _outdated(
            snapshot, found, "warning", f"webhook {name} is none that install prints", ()
        )


def _outdated(
    snapshot: Snapshot,
    found: WebhookConfiguration,
    severity: Severity,
    problem: str,
    evidence: tuple[str, ...],
) -> Finding:
    return Finding(
        severity, "WebhooksOutdated", found.title, problem, (install_command(snapshot),), evidence
    )


def _differences(wanted: Any, found: Any, path: str) -> Iterator[tuple[str, str]]:
    """Path and description of each field that differs."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        for key, value in wanted.items():
            yield from _differences(value, found.get(key), f"{path}.{key}" if path else key)
    elif isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        for index, (value, other) in enumerate(zip(wanted, found, strict=True)):
            yield from _differences(value, other, f"{path}[{index}]")
    elif wanted != found:
        yield path, f"{_shown(found)}, and install prints {_shown(wanted)}"


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"


def _kind(kind: type[WebhookConfiguration]) -> str:
    return str(kind.model_fields["kind"].default)


def _look(snapshot: Snapshot) -> tuple[str, ...]:
    namespace = snapshot.service_namespace
    return (
        f"kubectl -n {namespace} logs deployment/{SERVICE} --tail=50   "
        "# the service, or cert-manager, writes it",
        f"kubectl -n {namespace} get secret {SERVED} -o jsonpath='{{.data.ca\\.crt}}'",
    )
