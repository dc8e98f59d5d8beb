"""Renders the manifests of an installation, and applies or deletes them."""

import shlex
from base64 import b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
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
from app.install.fields import EVERY_KIND, Field, changed
from app.install.kustomization import Manifest
from app.model.domain import DOMAINS, ApiDomain
from app.model.mode import Mode

NAME = "registry-admission"
"""The name of the namespace, Service, Deployment, image and webhooks in the manifests."""

_APP = Path(__file__).parents[1]
_MANIFESTS = _APP / "manifests" if (_APP / "manifests").is_dir() else _APP.parent / "manifests"
_REGISTRY = "image-registry-system"
"""The registry's namespace in the manifests."""

_IN_OTHER_NAMESPACES = (
    "registry-admission-references",
    "registry-admission-s3-credentials",
    "registry-admission-trusted-ca",
)
"""The names of the Roles, and of their bindings, in the registry's namespace and in that of its CA
bundle."""
_DOMAIN = "alauda.io"
"""The API domain in the manifests."""
_REGISTRIES = [ApiDomain(name).registry_namespace for name in DOMAINS]
_MANAGER = "registry-admission-install"
WEBHOOKS = ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")
_ROLES = ("ClusterRole", "Role")
_BINDINGS = ("ClusterRoleBinding", "RoleBinding")
_CONTAINERS = "spec.template.spec.containers.*"
_JOB_CONTAINERS = f"spec.jobTemplate.{_CONTAINERS}"


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
    service = service_names(NAME, namespace)[0]
    make = f"registry-admission certs make --out {shlex.quote(str(folder))} --name {service}"
    serving = files.read(certificate, folder / files.KEY)
    if not authority.is_valid(serving.certificate, datetime.now(UTC)):
        raise CertificateError(
            f"{certificate} is not valid at this time, so no API server could call the service; "
            f"make a new one with `{make}`, or correct the clock"
        )
    try:
        trusted = authority.bundle(root.read_bytes())
    except OSError as error:
        raise CertificateError(
            f"cannot read {root}: {error.strerror}; bring the CA that signed {files.CERTIFICATE}, "
            "the API server has to trust it"
        ) from None
    except ValueError as error:
        raise CertificateError(f"{root}: {error}") from None
    if trust.missing_names(serving.certificate, [service]):
        raise CertificateError(
            f"{certificate} is not for {service}, the name by which the API server calls the "
            f"service; make one with `{make}`"
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
    """The objects to apply, in order: the namespace first, the webhooks last.

    `registry_namespace`: by default, that of the API domain. `certificate`: selects the overlay
    `mounted-secret`; without one the service makes its own, with the overlay `self-signed`.
    `controllers`: names of components. `mode`: the mode of limits that have none.
    `policy_reports`: adds the CronJob that keeps PolicyReports up to date. The API domain
    `openshift.io` adds the components `openshift-config` and `openshift-platform`.
    """
    overlay = _MANIFESTS / "overlays" / ("mounted-secret" if certificate else "self-signed")
    platform = ["openshift-config", "openshift-platform"] if api_domain == "openshift.io" else []
    reports = ["policy-reports"] if policy_reports else []
    # The platform comes last, because it changes the objects of other components, too.
    components = (_MANIFESTS / "components" / name for name in (*controllers, *reports, *platform))
    domain = ApiDomain(api_domain)
    registry = registry_namespace or domain.registry_namespace
    fields = _fields(namespace, image, replicas, domain.name, registry)
    if mode is not None:
        setting = {"name": "REGISTRY_ADMISSION_DEFAULT_MODE", "value": mode}
        fields.append(Field(("Deployment",), f"{_CONTAINERS}.env", lambda env: [*env, setting]))
    if certificate:
        trust = {"caBundle": b64encode(certificate.trusted).decode()}
        fields.append(Field(WEBHOOKS, "webhooks.*.clientConfig", lambda config: config | trust))
    found = [changed(manifest, fields) for manifest in kustomization.build(overlay, *components)]
    if certificate:
        found.append(_secret(namespace, certificate))
    return sorted(found, key=_position)


def leftovers(
    namespace: str, *, and_namespace: bool, registry_namespace: str = ""
) -> list[Manifest]:
    """The objects to delete, in order: the webhooks first, so that no request waits for a service
    that is gone.

    `and_namespace`: also delete the namespace, with the ledgers and everything else in it.
    `registry_namespace`: by default, those of all API domains.
    """
    homes = [registry_namespace] if registry_namespace else _REGISTRIES
    applied = {
        path_of(manifest): manifest
        for home, domain in product(homes, DOMAINS)
        for manifest in manifests(
            namespace=namespace,
            image=NAME,
            replicas=1,
            api_domain=domain,
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

    Objects in the namespaces of the registry and of its CA bundle are left out if that namespace
    does not exist.
    """
    for manifest in objects:
        try:
            await api.apply(path_of(manifest), manifest, _MANAGER)
        except NotFoundError:
            if not _is_in_other_namespace(manifest):
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


def _fields(
    namespace: str, image: str, replicas: int, api_domain: str, registry_namespace: str
) -> list[Field]:
    """Every field that these settings change; nothing else in the manifests depends on them."""
    moved = {NAME: namespace, _REGISTRY: registry_namespace}

    def home(name: str) -> str:
        return moved.get(name, name)

    def in_domain(name: str) -> str:
        suffix = f".{_DOMAIN}"
        return f"{name.removesuffix(suffix)}.{api_domain}" if name.endswith(suffix) else name

    def constant(value: str | int) -> Callable[[Any], str | int]:
        return lambda _old: value

    deployment, cron_job = ("Deployment",), ("CronJob",)
    variable = "env.[name=REGISTRY_ADMISSION_{}].value".format
    return [
        Field(("Namespace",), "metadata.name", home),
        Field(EVERY_KIND, "metadata.namespace", home),
        Field(_BINDINGS, "subjects.*.namespace", home),
        Field(WEBHOOKS, "webhooks.*.clientConfig.service.namespace", home),
        Field(WEBHOOKS, "webhooks.*.namespaceSelector.matchExpressions.*.values.*", home),
        Field(WEBHOOKS, "webhooks.*.name", in_domain),
        Field(WEBHOOKS, "webhooks.*.rules.*.apiGroups.*", in_domain),
        Field(_ROLES, "rules.*.apiGroups.*", in_domain),
        Field(deployment, "spec.replicas", constant(replicas)),
        Field(deployment, f"{_CONTAINERS}.image", constant(image)),
        Field(deployment, f"{_CONTAINERS}.{variable('API_DOMAIN')}", constant(api_domain)),
        Field(
            deployment,
            f"{_CONTAINERS}.{variable('REGISTRY_NAMESPACE')}",
            constant(registry_namespace),
        ),
        Field(cron_job, f"{_JOB_CONTAINERS}.image", constant(image)),
        Field(cron_job, f"{_JOB_CONTAINERS}.{variable('API_DOMAIN')}", constant(api_domain)),
    ]


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


def _is_in_other_namespace(manifest: Manifest) -> bool:
    return (
        manifest["metadata"]["name"] in _IN_OTHER_NAMESPACES and "namespace" in manifest["metadata"]
    )


def _position(manifest: Manifest) -> int:
    if manifest["kind"] == "Namespace":
        return 0
    return 2 if manifest["kind"] in WEBHOOKS else 1


def _without_labels(metadata: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in metadata.items() if key != "labels"}


def _title(manifest: Manifest) -> str:
    return f"{manifest['kind']} {manifest['metadata']['name']}"
