"""Removes what the service writes outside of its own namespace, when it is uninstalled."""

from collections.abc import Callable
from typing import Any

from app.cluster.api import KubeApi, NotFoundError
from app.controllers.config import NAME as CONFIG
from app.controllers.pull_secrets.controller import CONDITION as PULL_SECRETS
from app.controllers.pull_secrets.objects import Marks, secret_name
from app.controllers.s3_credentials.controller import CONDITION as S3_CREDENTIALS
from app.model.domain import ApiDomain

Done = Callable[[str], None]
_CONDITIONS = (PULL_SECRETS, S3_CREDENTIALS)


async def remove_everything_written(api: KubeApi, domain: ApiDomain, done: Done) -> int:
    """Remove pull secrets, counts in quota status and conditions; say how many objects changed.

    To be called when the service has no rights any more: it would write them again. A pull secret's
    tokens are revoked with it. Raises ApiError.
    """
    return (
        await _pull_secrets(api, domain, done)
        + await _counts(api, domain, done)
        + await _conditions(api, domain, done)
    )


async def _pull_secrets(api: KubeApi, domain: ApiDomain, done: Done) -> int:
    removed = 0
    async for account in api.items("/api/v1/serviceaccounts"):
        namespace, name = account["metadata"]["namespace"], account["metadata"]["name"]
        entries = account.get("imagePullSecrets") or []
        kept = [one for one in entries if one.get("name") != secret_name(namespace, name)]
        if kept != entries:
            patch = {"metadata": _unchanged(account), "imagePullSecrets": kept}
            await api.merge(f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}", patch)
            done(f"ServiceAccount {namespace}/{name}: pull secret taken out")
            removed += 1
    selector = {"labelSelector": f"{Marks.of(domain).label}=true"}
    async for secret in api.items("/api/v1/secrets", selector):
        namespace, name = secret["metadata"]["namespace"], secret["metadata"]["name"]
        await api.delete(f"/api/v1/namespaces/{namespace}/secrets/{name}")
        done(f"Secret {namespace}/{name} deleted")
        removed += 1
    return removed


async def _counts(api: KubeApi, domain: ApiDomain, done: Done) -> int:
    removed = 0
    names = (domain.imagestreams, domain.images, domain.image_tags)
    async for quota in api.items("/api/v1/resourcequotas"):
        status = quota.get("status") or {}
        written = {
            part: {name: None for name in names if name in (status.get(part) or {})}
            for part in ("hard", "used")
        }
        if any(written.values()):
            namespace, name = quota["metadata"]["namespace"], quota["metadata"]["name"]
            path = f"/api/v1/namespaces/{namespace}/resourcequotas/{name}/status"
            await api.merge(path, {"metadata": {}, "status": written})
            done(f"ResourceQuota {namespace}/{name}: counts taken out")
            removed += 1
    return removed


async def _conditions(api: KubeApi, domain: ApiDomain, done: Done) -> int:
    path = f"/apis/{domain.operator_group}/v1/configs/{CONFIG}"
    try:
        config = await api.get(path)
    except NotFoundError:
        return 0
    conditions = (config.get("status") or {}).get("conditions") or []
    kept = [one for one in conditions if one.get("type") not in _CONDITIONS]
    if kept == conditions:
        return 0
    patch = {"metadata": _unchanged(config), "status": {"conditions": kept}}
    await api.merge(f"{path}/status", patch)
    done(f"Config {CONFIG}: conditions taken out")
    return 1


def _unchanged(content: dict[str, Any]) -> dict[str, str]:
    """Metadata of a patch that fails if somebody else wrote meanwhile."""
    return {"resourceVersion": content["metadata"]["resourceVersion"]}
