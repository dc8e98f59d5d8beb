"""Snapshots for tests: a registry in which nothing is wrong, and changes of it."""

import copy
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from app.certs import authority
from app.certs.cluster import service_names
from app.doctor.installation import with_manifests
from app.doctor.inventory import Inventory
from app.doctor.resources import resources
from app.doctor.snapshot import Scope, Snapshot
from app.model.base import KubeObject
from app.model.domain import ApiDomain
from app.model.stream import ImageStream
from tests import registry_objects as objects
from tests.registry_objects import REGISTRY, SERVICE, Manifest

from . import manifests

NOW = datetime(2026, 1, 2, tzinfo=UTC)
DIGEST = "sha256:" + "1" * 64
HOST = f"image-registry.{REGISTRY}.svc:5000"
WEBHOOKS = ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")
CENTURY = timedelta(days=36_500)
"""The life of certificates. Some tests ask for the time, and have to pass for ever."""
CA = authority.make_authority(NOW, CENTURY)
SERVING = authority.make_serving(CA, service_names(SERVICE, SERVICE), NOW, CENTURY)
INSTALLED = tuple(manifests.manifests())
PRINTED = with_manifests(Snapshot({}, {}, taken=NOW))
"""An empty snapshot with the manifests of `install`."""
MODELS = {(resource.group, resource.kind): resource.model for resource in resources(ApiDomain())}


def created(time: str, manifest: Manifest) -> Manifest:
    return {**manifest, "metadata": {**manifest["metadata"], "creationTimestamp": time}}


def bound(manifest: Manifest, **spec: Any) -> Manifest:
    return {
        **manifest, "spec": {**manifest["spec"], **spec}, "status": {"phase": "Bound"},
    }  # fmt: skip


def owned(manifest: Manifest, phase: str = "Bound", **status: str) -> Manifest:
    """A volume of the registry's claim."""
    owner = {"namespace": REGISTRY, "name": "image-registry"}
    spec = {**manifest["spec"], "claimRef": owner}
    return {**manifest, "spec": spec, "status": {"phase": phase, **status}}


def replica_set(name: str, time: str, **spec: Any) -> Manifest:
    made = objects.deployment("image-registry", REGISTRY)
    made["spec"]["template"]["spec"].update(spec)
    return created(time, {**made, "kind": "ReplicaSet", "metadata": {
        "name": name, "namespace": REGISTRY}})  # fmt: skip


def image(size: int) -> Manifest:
    return {
        "apiVersion": "image.alauda.io/v1",
        "kind": "Image",
        "metadata": {"name": DIGEST},
        "dockerImageMetadata": {"Size": size},
    }


def api_service(status: str = "True", **fields: str) -> Manifest:
    condition = {"type": "Available", "status": status, **fields}
    return {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": "v1.image.alauda.io"},
        "status": {"conditions": [condition]},
    }


def webhooks(**options: Any) -> list[Manifest]:
    """The webhooks as the API server stores them, with a default that `install` does not print.

    `options`: those of `install`.
    """
    installed = manifests.manifests(**options) if options else INSTALLED
    found = [copy.deepcopy(item) for item in installed if item["kind"] in WEBHOOKS]
    found.sort(key=lambda item: WEBHOOKS.index(item["kind"]))
    for configuration in found:
        for webhook in configuration["webhooks"]:
            webhook["objectSelector"] = {}
            webhook["clientConfig"] = {
                **webhook["clientConfig"], "caBundle": b64encode(CA.certificate).decode(),
            }  # fmt: skip
    return found


def tls_secret(**values: bytes) -> Manifest:
    found = {"tls.crt": SERVING.certificate, "tls.key": SERVING.key, **values}
    return objects.secret("registry-admission-tls", SERVICE, **found)


def healthy() -> list[Manifest]:
    """A registry on a volume, with one image, and this service."""
    day = "2025-06-01T00:00:00Z"
    return [
        objects.on_claim(),
        created(day, bound(objects.claim(storageClassName=""), volumeName="kept")),
        created(day, owned(objects.volume("kept"))),
        objects.pod("registry", "node-1", day),
        objects.deployment("image-registry", REGISTRY),
        replica_set("image-registry-1", day),
        objects.stream("app", {"v1": DIGEST}, "2025-06-02T00:00:00Z"),
        image(1000),
        objects.limit_range("alauda.io/Image", storage="1Ki"),
        objects.quota({"alauda.io/image-tags": "1"}, image_tags="5"),
        api_service(),
        objects.deployment(SERVICE, SERVICE, replicas=3, ready=3),
        objects.endpoints(),
        *webhooks(),
        tls_secret(),
    ]


def snapshot(
    changes: Iterable[Manifest] = (),
    *,
    without: Iterable[str] = (),
    unread: Iterable[Scope] = (),
    later: timedelta = timedelta(0),
    ca_namespace: str = "",
) -> Snapshot:
    """The healthy registry with objects changed or added, and without those of some kinds."""
    gone = set(without)
    stored = {_key(item): item for item in healthy() if item["kind"] not in gone}
    stored |= {_key(item): item for item in changes}
    by_model: dict[type[KubeObject], list[KubeObject]] = {}
    inventory = Inventory(frozenset({HOST}), samples=5)
    for (api_version, kind, *_), item in stored.items():
        model = MODELS[api_version.rpartition("/")[0], kind]
        parsed = model.model_validate(item)
        if isinstance(parsed, ImageStream):
            inventory.add(parsed)
        else:
            by_model.setdefault(model, []).append(parsed)
    return replace(
        PRINTED,
        objects={model: tuple(items) for model, items in by_model.items()},
        unread={scope: f"{scope.model.__name__} is forbidden" for scope in unread},
        taken=NOW + later,
        ca_namespace=ca_namespace,
        inventory=inventory,
    )


def _key(item: Manifest) -> tuple[str, ...]:
    metadata = item["metadata"]
    return item["apiVersion"], item["kind"], metadata.get("namespace", ""), metadata["name"]
