"""Manifests of the objects of a registry, with the status that controllers write."""

from base64 import b64encode
from collections.abc import Mapping
from typing import Any

Manifest = dict[str, Any]

REGISTRY = "image-registry-system"
SERVICE = "registry-admission"


def config(status: Manifest | None = None, **spec: Any) -> Manifest:
    return {
        "apiVersion": "imageregistry.operator.alauda.io/v1",
        "kind": "Config",
        "metadata": {"name": "cluster"},
        "spec": {"managementState": "Managed", "replicas": 1, **spec},
        "status": status or {},
    }


def on_claim(name: str = "image-registry") -> Manifest:
    return config(storage={"managementState": "Unmanaged", "pvc": {"claim": name}})


def claim(mode: str = "ReadWriteOnce", size: str = "10Gi", **spec: Any) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "image-registry", "namespace": REGISTRY},
        "spec": {"accessModes": [mode], "resources": {"requests": {"storage": size}}, **spec},
    }


def volume(name: str, storage_class: str = "", **spec: Any) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "capacity": {"storage": "10Gi"},
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": storage_class,
            "nfs": {"server": "nfs.example.com", "path": "/images"},
            **spec,
        },
    }


def storage_class(name: str, provisioner: str, binding: str = "Immediate") -> Manifest:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name},
        "provisioner": provisioner,
        "volumeBindingMode": binding,
    }


def pod(name: str, node: str, start: str = "", claim: str = "image-registry") -> Manifest:
    """A Pod of the registry. With a start it runs, without one it waits for its storage."""
    source = {"persistentVolumeClaim": {"claimName": claim}} if claim else {"emptyDir": {}}
    ready = {"type": "Ready", "status": "True" if start else "False"}
    status = {"phase": "Running" if start else "Pending", "conditions": [ready]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": REGISTRY},
        "spec": {
            "nodeName": node,
            "containers": [{"name": "registry", "image": "registry"}],
            "volumes": [{"name": "registry-storage", **source}],
        },
        "status": {**status, "startTime": start} if start else status,
    }


def event(on: Manifest, reason: str, message: str) -> Manifest:
    metadata = on["metadata"]
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{metadata['name']}.{reason.lower()}", "namespace": REGISTRY},
        "involvedObject": {"kind": on["kind"], "name": metadata["name"], "namespace": REGISTRY},
        "type": "Warning",
        "reason": reason,
        "message": message,
        "lastTimestamp": "2026-01-02T03:04:05Z",
    }


def stream(name: str, digests: Mapping[str, str], created: str, host: str = "") -> Manifest:
    """An ImageStream in team-a, with its tags' digests. Its images were pushed to the registry."""
    host = host or f"image-registry.{REGISTRY}.svc:5000"
    return {
        "apiVersion": "image.alauda.io/v1",
        "kind": "ImageStream",
        "metadata": {"name": name, "namespace": "team-a"},
        "status": {
            "tags": [
                {
                    "tag": tag,
                    "items": [
                        {
                            "created": created,
                            "dockerImageReference": f"{host}/team-a/{name}@{digest}",
                            "generation": 1,
                            "image": digest,
                        }
                    ],
                }
                for tag, digest in digests.items()
            ]
        },
    }


def namespace(name: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def deployment(name: str, namespace: str, *, replicas: int = 1, ready: int = 1) -> Manifest:
    volumes = [{"name": "registry-storage", "persistentVolumeClaim": {"claimName": name}}]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "main", "image": name}], "volumes": volumes},
            },
        },
        "status": {"replicas": replicas, "readyReplicas": ready},
    }


def endpoints(*, ready: bool = True) -> Manifest:
    """Of the service."""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": SERVICE,
            "namespace": SERVICE,
            "labels": {"kubernetes.io/service-name": SERVICE},
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.0.0.9"], "conditions": {"ready": ready}}],
        "ports": [{"name": "https", "port": 8443, "protocol": "TCP"}],
    }


def quota(used: Mapping[str, str], **hard: str) -> Manifest:
    """A ResourceQuota in team-a; `image_tags="5"` sets the limit of `alauda.io/image-tags`."""
    named = {f"alauda.io/{name.replace('_', '-')}": count for name, count in hard.items()}
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "image-registry-quota", "namespace": "team-a"},
        "spec": {"hard": named},
        "status": {"hard": named, "used": dict(used)},
    }


def limit_range(item_type: str, **most: str) -> Manifest:
    """A LimitRange in team-a; arguments are such as `storage="1Gi"` and `image_tags="5"`."""
    named = {
        name if name == "storage" else f"alauda.io/{name.replace('_', '-')}": value
        for name, value in most.items()
    }
    return {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": {"name": "image-registry-limits", "namespace": "team-a"},
        "spec": {"limits": [{"type": item_type, "max": named}]},
    }


def config_map(name: str, namespace: str, **data: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace},
        "data": data,
    }


def secret(name: str, namespace: str, **values: bytes) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "data": {key: b64encode(value).decode() for key, value in values.items()},
    }


def on_s3(**fields: Any) -> Manifest:
    storage = {"bucket": "images", "regionEndpoint": "https://s3.example.com", **fields}
    return config(storage={"managementState": "Unmanaged", "s3": storage})


S3_KEYS = {
    "REGISTRY_STORAGE_S3_ACCESSKEY": b"AKIA-never-shown",
    "REGISTRY_STORAGE_S3_SECRETKEY": b"never-shown-either",
}
S3_SECRET = "image-registry-private-configuration-user"
