"""Installs without refusing a push: first the service, then its webhooks when it is ready."""

import asyncio
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from typing import Any

from app.certs import files
from app.certs.cluster import NAME as TLS_SECRET
from app.certs.webhooks import WebhookTrust
from app.cluster.api import ApiError, KubeApi, NotFoundError
from app.config import durations
from app.install import installing
from app.install.installing import NAME, WEBHOOKS
from app.install.kustomization import Manifest
from app.model.errors import UnusableError

_STEP = 2.0
"""Seconds between two reads of the Deployment."""
_UNOBSERVED = "its controller has not observed it yet"


class RolloutError(UnusableError):
    """The service did not become ready, so no webhook was registered."""


async def apply_and_wait(
    api: KubeApi,
    objects: Sequence[Manifest],
    done: Callable[[str], None],
    *,
    namespace: str,
    seconds: float,
) -> None:
    """Apply everything but the webhooks, wait until all replicas are ready, and register the
    webhooks with the caBundle that the replicas serve.

    Raises RolloutError if that takes longer than `seconds`, and ApiError.
    """
    webhooks = [manifest for manifest in objects if manifest["kind"] in WEBHOOKS]
    await installing.apply(api, [one for one in objects if one not in webhooks], done)
    deployment = f"/apis/apps/v1/namespaces/{namespace}/deployments/{NAME}"
    problem = _UNOBSERVED
    for _ in range(max(int(seconds / _STEP), 1)):
        problem = _problem(await api.get(deployment))
        if not problem:
            break
        await asyncio.sleep(_STEP)
    if problem:
        why = await _waiting(api, namespace)
        raise RolloutError(
            f"Deployment {namespace}/{NAME} is not ready after {durations.text(seconds)}: "
            f"{problem}{why}; no webhook was registered"
        )
    bundle = await _bundle(api, namespace)
    await installing.apply(api, [_trusting(one, bundle) for one in webhooks], done)
    await WebhookTrust(api, NAME).publish(bundle, always=True)


def _problem(deployment: dict[str, Any]) -> str:
    """Why a Deployment is not rolled out; empty if it is."""
    wanted, status = deployment["spec"]["replicas"], deployment.get("status") or {}
    if status.get("observedGeneration", 0) < deployment["metadata"]["generation"]:
        return _UNOBSERVED
    ready = min(status.get("updatedReplicas", 0), status.get("readyReplicas", 0))
    return "" if ready >= wanted else f"{ready} of {wanted} replicas are ready"


async def _waiting(api: KubeApi, namespace: str) -> str:
    """Why a container of the Pods waits, such as an image that cannot be pulled, or nothing.

    A container that ends again and again has the last line of its log as the reason: see
    `terminationMessagePolicy` in the manifests.
    """
    query = {"labelSelector": f"app.kubernetes.io/name={NAME}"}
    try:
        pods = [pod async for pod in api.items(f"/api/v1/namespaces/{namespace}/pods", query)]
    except ApiError:
        return ""
    found = (
        reason
        for pod in pods
        for container in (pod.get("status") or {}).get("containerStatuses") or []
        if (reason := _reason(container))
    )
    reason = next(found, "")
    return f" ({reason})" if reason else ""


def _reason(container: dict[str, Any]) -> str:
    ended = (container.get("lastState") or {}).get("terminated") or {}
    message = (ended.get("message") or "").strip()
    if message:
        return f"exit code {ended.get('exitCode')}: {message.splitlines()[-1]}"
    waiting = (container.get("state") or {}).get("waiting") or {}
    return f"{waiting.get('reason', '')}: {waiting.get('message', '')}".strip(": ")


async def _bundle(api: KubeApi, namespace: str) -> bytes:
    """The CAs of the certificate that the replicas share. Raises RolloutError if it has none."""
    try:
        secret = await api.get(f"/api/v1/namespaces/{namespace}/secrets/{TLS_SECRET}")
        return b64decode(secret["data"][files.AUTHORITY])
    except (NotFoundError, KeyError, ValueError):
        raise RolloutError(
            f"Secret {namespace}/{TLS_SECRET} has no {files.AUTHORITY}; no webhook was registered"
        ) from None


def _trusting(manifest: Manifest, bundle: bytes) -> Manifest:
    encoded = b64encode(bundle).decode()
    return manifest | {
        "webhooks": [
            webhook | {"clientConfig": webhook["clientConfig"] | {"caBundle": encoded}}
            for webhook in manifest["webhooks"]
        ]
    }
