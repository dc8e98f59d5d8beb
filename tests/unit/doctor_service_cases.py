"""Faults of limits, of the Image API, and of the service that enforces limits."""

import copy
from base64 import b64encode
from datetime import timedelta
from typing import Any

from app.certs import authority
from app.config.setting_types import CONTROLLERS
from tests import registry_objects as objects
from tests.registry_objects import REGISTRY, SERVICE, Manifest

from . import snapshots
from .doctor_cases import CONFIG, TLS, Case
from .snapshots import CA, CENTURY, DIGEST, NOW, WEBHOOKS

VALIDATING = f"ValidatingWebhookConfiguration {SERVICE}"
MUTATING = f"MutatingWebhookConfiguration {SERVICE}"
QUOTA = "ResourceQuota team-a/image-registry-quota"
LIMITS = "LimitRange team-a/image-registry-limits"
API = "APIService v1.image.alauda.io"
OTHERS = authority.make_authority(NOW)
TAGS = {f"v{number}": DIGEST for number in range(6)}


def changed(**fields: Any) -> Manifest:
    """The validating configuration with changes of its first webhook."""
    configuration = copy.deepcopy(snapshots.webhooks()[0])
    configuration["webhooks"][0] |= fields
    return configuration


def bundle(ca: bytes) -> dict[str, Any]:
    client = snapshots.webhooks()[0]["webhooks"][0]["clientConfig"]
    return {**client, "caBundle": b64encode(ca).decode()}


def shortened() -> Manifest:
    configuration = snapshots.webhooks()[0]
    return {**configuration, "webhooks": configuration["webhooks"][1:]}


def extended() -> Manifest:
    configuration = snapshots.webhooks()[0]
    [old, *_] = changed(name="old.example.com")["webhooks"]
    return {**configuration, "webhooks": [*configuration["webhooks"], old]}


def of_controllers(**fields: Any) -> Manifest:
    """The mutating configuration with all controllers, with changes of its last webhook."""
    configuration = snapshots.webhooks(controllers=CONTROLLERS)[1]
    configuration["webhooks"][-1] |= fields
    return configuration


def degraded() -> Manifest:
    condition = {"type": "Degraded", "status": "True", "reason": "Storage", "message": "no bucket"}
    return {**objects.on_claim(), "status": {"conditions": [condition]}}


def pruner(schedule: str) -> Manifest:
    return {
        "apiVersion": "imageregistry.operator.alauda.io/v1",
        "kind": "ImagePruner",
        "metadata": {"name": "cluster"},
        "spec": {"schedule": schedule},
    }


SERVICE_CASES: dict[str, Case] = {
    "quota: more than its limit": Case(
        (f"warning QuotaExceeded {QUOTA}",),
        (objects.stream("app", TAGS, "2025-06-02T00:00:00Z"),
         objects.quota({"alauda.io/image-tags": "6"}, image_tags="5")),
        "6 alauda.io/image-tags, over the limit of 5",
    ),
    "quota: a status that is not true": Case(
        (f"warning QuotaStatusStale {QUOTA}",),
        (objects.quota({"alauda.io/image-tags": "3"}, image_tags="5"),),
        "alauda.io/image-tags: status.used 3, stored 1",
    ),
    "quota: misspelled": Case(
        (f"error MisspelledName {QUOTA}",),
        (objects.quota({}, image_tag="5"),), "alauda.io/image-tag",
    ),
    "limits: a stream with too many tags": Case(
        (f"warning LimitRangeExceeded {LIMITS}",),
        (objects.stream("app", TAGS, "2025-06-02T00:00:00Z"),
         objects.limit_range("alauda.io/ImageStream", image_tags="5"),
         objects.quota({"alauda.io/image-tags": "6"}, image_tags="9")),
        "6 alauda.io/image-tags in ImageStream app, over the limit of 5",
    ),
    "limits: an image that is too large": Case(
        (f"warning ImagesAboveLimit {LIMITS}",), (snapshots.image(2000),),
        f"{DIGEST} has 2000 bytes",
    ),
    "legacy: a ConfigMap left behind": Case(
        ("warning LegacyLimits ConfigMap cpaas-system/image-registry-limit-config",),
        (objects.config_map("image-registry-limit-config", "cpaas-system", max_image_size="1GB"),),
        "keys: max_image_size",
    ),
    "Config: two backends": Case(
        (f"error TwoStorageBackends {CONFIG}",),
        (objects.config(storage={"pvc": {"claim": "image-registry"}, "swift": {}}),),
        "two backends",
    ),
    "Config: the operator complains": Case(
        (f"error RegistryDegraded {CONFIG}",), (degraded(),),
        "Degraded is True (Storage): no bucket",
    ),
    "ImagePruner: a schedule that is none": Case(
        ("error InvalidSchedule ImagePruner cluster",), (pruner("every day"),),
    ),
    "Image API: not installed": Case(
        (f"error ImageAPINotInstalled {API}",), without=("APIService",),
    ),
    "Image API: not available": Case(
        (f"error ImageAPIUnavailable {API}",),
        (snapshots.api_service("False", reason="MissingEndpoints", message="none"),),
        "Available is False (MissingEndpoints): none",
    ),
    "registry: not ready": Case(
        (f"error ReplicasNotReady Deployment {REGISTRY}/image-registry",),
        (objects.deployment("image-registry", REGISTRY, ready=0),), "0 of 1",
    ),
    "service: some replicas are not ready": Case(
        (f"warning ReplicasNotReady Deployment {SERVICE}/{SERVICE}",),
        (objects.deployment(SERVICE, SERVICE, replicas=3, ready=2),), "2 of 3",
    ),
    "service: nobody answers": Case(
        (f"error NoEndpoints Service {SERVICE}/{SERVICE}",), (objects.endpoints(ready=False),),
    ),
    "service: gone, and its webhooks are not": Case(
        (f"error NoEndpoints Service {SERVICE}/{SERVICE}",),
        (objects.deployment("image-registry", REGISTRY),),
        without=("Deployment", "EndpointSlice"),
    ),
    "service: not installed": Case(
        (f"warning NotInstalled Deployment {SERVICE}/{SERVICE}",),
        without=(*WEBHOOKS, "Deployment", "EndpointSlice", "Secret"),
    ),
    "webhooks: one configuration is missing": Case(
        (f"error WebhooksMissing {MUTATING}",), without=("MutatingWebhookConfiguration",),
    ),
    "webhooks: a webhook is missing": Case(
        (f"error WebhooksOutdated {VALIDATING}",), (shortened(),),
        "webhook pushes.registry-admission.alauda.io is missing",
    ),
    "webhooks: other rules": Case(
        (f"error WebhooksOutdated {VALIDATING}",), (changed(rules=[]),), "rules: [], and install",
    ),
    "webhooks: another failurePolicy": Case(
        (f"warning WebhooksOutdated {VALIDATING}",), (changed(failurePolicy="Ignore"),),
        'failurePolicy: "Ignore", and install prints "Fail"',
    ),
    "webhooks: a webhook that is not ours": Case(
        (f"warning WebhooksOutdated {VALIDATING}",),
        (extended(),),
        "webhook old.example.com is none that install prints",
    ),
    "webhooks: of a controller": Case((), (of_controllers(),)),
    "webhooks: of a controller, and changed": Case(
        (f"warning WebhooksOutdated {MUTATING}",), (of_controllers(timeoutSeconds=9),),
        "timeoutSeconds: 9, and install prints 2",
    ),
    "webhooks: nobody is trusted": Case(
        (f"error CABundleEmpty {VALIDATING}",), (changed(clientConfig=bundle(b"")),),
        "webhooks: pushes.registry-admission.alauda.io",
    ),
    "webhooks: somebody else is trusted": Case(
        (f"error CABundleMismatch {VALIDATING}",),
        (changed(clientConfig=bundle(OTHERS.certificate)),),
        "webhooks: pushes.registry-admission.alauda.io",
    ),
    "webhooks: a caBundle that is none": Case(
        (f"error CABundleMismatch {VALIDATING}",), (changed(clientConfig=bundle(b"PEM")),),
    ),
    "certificate: missing": Case(
        (f"error CertificateMissing {TLS}",), without=("Secret",),
    ),
    "certificate: unreadable": Case(
        (f"error CABundleMismatch {VALIDATING}", f"error CABundleMismatch {MUTATING}",
         f"error CertificateUnreadable {TLS}"),
        (snapshots.tls_secret(**{"tls.crt": b"no PEM"}),),
    ),
    "certificate: for others": Case(
        (f"error CertificateNameMismatch {TLS}",),
        (snapshots.tls_secret(**{
            "tls.crt": authority.make_serving(CA, ["other.svc"], NOW).certificate}),),
        f"not for {SERVICE}.{SERVICE}.svc",
    ),
    "certificate: near its end": Case(
        (f"warning CertificateExpiresSoon {TLS}",), later=CENTURY - timedelta(days=15),
    ),
    "certificate: expired": Case(
        (f"error CertificateExpired {TLS}",), later=CENTURY,
    ),
    "certificate: made by a wrong clock": Case(
        (f"error CertificateNotYetValid {TLS}",), later=timedelta(days=-1),
    ),
}  # fmt: skip
