"""Renders the manifests of an installation, and applies or deletes them."""

from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.certs import authority, files, trust
from app.certs.authority import KeyPair
from app.certs.cluster import NAME as TLS_SECRET
from app.certs.cluster import service_names
from app.certs.files import CertificateError
from app.cluster.api import KubeApi, NotFoundError
from app.cluster.applying import path_of
from app.config.setting_types import CONTROLLERS
from app.install import kustomization
from app.install.kustomization import Manifest
from app.model.domain import DOMAINS, ApiDomain
from app.model.mode import Mode

NAME = "registry-admission"
"""Of everything in the manifests: the namespace, the Service, the image, the webhooks …"""

_APP = Path(__file__).parents[1]
_MANIFESTS = _APP / "manifests" if (_APP / "manifests").is_dir() else _APP.parent / "manifests"
_REGISTRY = "image-registry-system"
"""The registry's namespace in the manifests."""

_IN_REGISTRY = ("registry-admission-references", "registry-admission-s3-credentials")
"""Of the Roles, and their bindings, in that namespace."""
_DOMAIN = "alauda.io"
"""Of the manifests, as they are in their files."""
_REGISTRIES = [ApiDomain(name).registry_namespace for name in DOMAINS]
_MANAGER = "registry-admission-install"
WEBHOOKS = ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")


@dataclass(frozen=True)
class OwnCertificate:
    """A serving certificate from the user, and the CAs that API servers trust for it."""

    serving: KeyPair
    trusted: bytes


def read_certificate(folder: Path, namespace: str) -> OwnCertificate:
    """Read `tls.crt`, `tls.key` and `ca.crt` and check that API servers will accept them.

    Raises CertificateError if they would not.
    """
    certificate, root = folder / files.CERTIFICATE, folder / files.AUTHORITY
    serving = files.read(certificate, folder / files.KEY)
    try:
        trusted = authority.bundle(root.read_bytes())
    except OSError as error:
        raise CertificateError(
            f"cannot read {root}: {error.strerror}; bring the CA that signed {files.CERTIFICATE}, "
            "the API server has to trust it"
        ) from None
    except ValueError as error:
        raise CertificateError(f"{root}: {error}") from None
    service = service_names(NAME, namespace)[0]
    if trust.missing_names(serving.certificate, [service]):
        raise CertificateError(
            f"{certificate} is not for {service}, as which the API server calls the service; "
            f"make one with `registry-admission certs make --name {service}`"
        )
    if not trust.is_trusted(serving.certificate, trusted):
        raise CertificateError(
            f"{certificate} is not signed by {root}; bring the CA that signed it, and put "
            f"intermediate certificates behind it into {files.CERTIFICATE}"
        )
    return OwnCertificate(serving, trusted)


def manifests(
    *,
    namespace: str,
    image: str,
    replicas: int,
    api_domain: str,
    registry_namespace: str = "",
    certificate: OwnCertificate | None = None,
    controllers: Iterable[str] = (),
    mode: Mode | None = None,
    policy_reports: bool = False,
) -> list[Manifest]:
    """Everything to apply, in order: the namespace first, the webhooks last.

    The registry's namespace is that of the domain if none is given.

    Without a certificate the service makes its own, as in the overlay `self-signed`; with one,
    it is as in the overlay `mounted-secret`. Each controller is the component of its name; the
    domain `openshift.io` brings `openshift-platform`. `mode` is that of limits without one.
    `policy_reports` brings the CronJob that keeps PolicyReports up to date.
    """
    overlay = _MANIFESTS / "overlays" / ("mounted-secret" if certificate else "self-signed")
    platform = ["openshift-platform"] if api_domain == "openshift.io" else []
    reports = ["policy-reports"] if policy_reports else []
    components = (_MANIFESTS / "components" / name for name in (*controllers, *platform, *reports))
    registry = registry_namespace or ApiDomain(api_domain).registry_namespace
    words = {_DOMAIN: api_domain, _REGISTRY: registry}
    found = [
        _filled(manifest, namespace, words)
        for manifest in kustomization.build(overlay, *components)
    ]
    if certificate:
        found.append(_secret(namespace, certificate))
    for manifest in found:
        if manifest["kind"] == "Deployment":
            manifest["spec"]["replicas"] = replicas
            container = manifest["spec"]["template"]["spec"]["containers"][0]
            container["image"] = image
            if mode is not None:
                container["env"].append({"name": "REGISTRY_ADMISSION_DEFAULT_MODE", "value": mode})
        if manifest["kind"] == "CronJob":
            pod = manifest["spec"]["jobTemplate"]["spec"]["template"]["spec"]
            pod["containers"][0]["image"] = image
        if manifest["kind"] in WEBHOOKS and certificate:
            for webhook in manifest["webhooks"]:
                webhook["clientConfig"]["caBundle"] = b64encode(certificate.trusted).decode()
    return sorted(found, key=_position)


def leftovers(
    namespace: str, *, and_namespace: bool, registry_namespace: str = ""
) -> list[Manifest]:
    """Everything to delete, in order: the webhooks first, so that nothing waits for nobody.

    The namespace, with the ledgers and the certificate in it, goes only if asked for: there may
    be something else in it. If the registry's namespace is not given, it may be any domain's.
    """
    homes = [registry_namespace] if registry_namespace else _REGISTRIES
    applied = {
        path_of(manifest): manifest
        for home in homes
        for manifest in manifests(
            namespace=namespace,
            image=NAME,
            replicas=1,
            api_domain=_DOMAIN,
            registry_namespace=home,
            controllers=CONTROLLERS,
            policy_reports=True,
        )
    }
    return [
        {key: manifest[key] for key in ("apiVersion", "kind")}
        | {"metadata": _without_labels(manifest["metadata"])}
        for manifest in sorted(applied.values(), key=_position)[::-1]
        if and_namespace or manifest["kind"] != "Namespace"
    ]


async def apply(api: KubeApi, objects: Iterable[Manifest], done: Callable[[str], None]) -> None:
    """Apply the objects with server-side apply. Raises ApiError at the first refusal.

    Objects of the registry's namespace are left out while that namespace does not exist.
    """
    for manifest in objects:
        try:
            await api.apply(path_of(manifest), manifest, _MANAGER)
        except NotFoundError:
            if not _is_in_registry(manifest):
                raise
            home = manifest["metadata"]["namespace"]
            done(
                f"{_title(manifest)} left out: no namespace {home}; install again when it is there"
            )
        else:
            done(f"{_title(manifest)} applied")


async def delete(api: KubeApi, objects: Iterable[Manifest], done: Callable[[str], None]) -> int:
    """Delete the objects that exist, and count them. Raises ApiError at the first refusal."""
    deleted = 0
    for manifest in objects:
        try:
            await api.delete(path_of(manifest))
        except NotFoundError:
            continue
        deleted += 1
        done(f"{_title(manifest)} deleted")
    return deleted


def _filled(node: Any, namespace: str, words: Mapping[str, str], key: str = "") -> Any:
    """A copy for another namespace, with other words."""
    if isinstance(node, dict):
        filled = {name: _filled(value, namespace, words, name) for name, value in node.items()}
        if node.get("kind") == "Namespace":
            filled["metadata"]["name"] = namespace
        return filled
    if isinstance(node, list):
        return [_filled(item, namespace, words, key) for item in node]
    if not isinstance(node, str):
        return node
    # `values` are those of the webhooks' namespaceSelector.
    if key in ("namespace", "values") and node == NAME:
        return namespace
    for word, other in words.items():
        node = node.replace(word, other)
    return node


def _secret(namespace: str, certificate: OwnCertificate) -> Manifest:
    content = {
        files.CERTIFICATE: certificate.serving.certificate,
        files.KEY: certificate.serving.key,
        files.AUTHORITY: certificate.trusted,
    }
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": TLS_SECRET,
            "namespace": namespace,
            "labels": {"app.kubernetes.io/name": NAME},
        },
        "type": "kubernetes.io/tls",
        "data": {name: b64encode(pem).decode() for name, pem in content.items()},
    }


def _is_in_registry(manifest: Manifest) -> bool:
    return manifest["metadata"]["name"] in _IN_REGISTRY and "namespace" in manifest["metadata"]


def _position(manifest: Manifest) -> int:
    if manifest["kind"] == "Namespace":
        return 0
    return 2 if manifest["kind"] in WEBHOOKS else 1


def _without_labels(metadata: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in metadata.items() if key != "labels"}


def _title(manifest: Manifest) -> str:
    return f"{manifest['kind']} {manifest['metadata']['name']}"
