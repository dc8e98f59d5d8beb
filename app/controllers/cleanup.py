"""Removes what the service writes outside of its own namespace, when it is uninstalled."""

from collections.abc import Awaitable, Callable
from typing import Any

from app.cluster.api import ApiError, KubeApi, NotFoundError
from app.controllers.config import NAME as CONFIG
from app.controllers.pull_secrets.controller import CONDITION as PULL_SECRETS
from app.controllers.pull_secrets.objects import Marks, secret_name
from app.controllers.s3_credentials.controller import CONDITION as S3_CREDENTIALS
from app.model.domain import ApiDomain

Done = Callable[[str], None]
_CONDITIONS = (PULL_SECRETS, S3_CREDENTIALS)


async def remove_everything_written(api: KubeApi, domain: ApiDomain, done: Done) -> int:
    """Remove pull secrets, counts in quota status and conditions. Returns the number of changes.

    Call it after the service has lost its rights; before that, the service would write them again.
    Deleting a pull secret revokes its tokens. If an object cannot be changed, the others are still
    removed, and an ApiError is raised in the end.
    """
    removal = _Removal(done)
    await _pull_secrets(api, domain, removal)
    await _counts(api, domain, removal)
    await _conditions(api, domain, removal)
    removal.require_success()
    return removal.changed


class _Removal:
    """Changes objects one after another, and remembers the errors."""

    def __init__(self, done: Done) -> None:
        self._done = done
        self._errors: list[ApiError] = []
        self.changed = 0

    async def attempt(self, work: Awaitable[object], text: str) -> None:
        """Make one change and report it. A deleted object is skipped."""
        try:
            await work
        except NotFoundError:
            return
        except ApiError as error:
            self._errors.append(error)
        else:
            self._done(text)
            self.changed += 1

    def require_success(self) -> None:
        """Raises ApiError."""
        if self._errors:
            first, more = self._errors[0], len(self._errors) - 1
            others = f"; {more} more objects could not be changed" if more else ""
            raise ApiError(first.status, f"{first}{others}; run it again")


async def _pull_secrets(api: KubeApi, domain: ApiDomain, removal: _Removal) -> None:
    async for account in api.items("/api/v1/serviceaccounts"):
        namespace, name = account["metadata"]["namespace"], account["metadata"]["name"]
        entries = account.get("imagePullSecrets") or []
        kept = [one for one in entries if one.get("name") != secret_name(namespace, name)]
        if kept != entries:
            patch = {"metadata": _unchanged(account), "imagePullSecrets": kept}
            await removal.attempt(
                api.merge(f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}", patch),
                f"ServiceAccount {namespace}/{name}: pull secret taken out",
            )
    selector = {"labelSelector": f"{Marks.of(domain).label}=true"}
    async for secret in api.items("/api/v1/secrets", selector):
        namespace, name = secret["metadata"]["namespace"], secret["metadata"]["name"]
        await removal.attempt(
            api.delete(f"/api/v1/namespaces/{namespace}/secrets/{name}"),
            f"Secret {namespace}/{name} deleted",
        )


async def _counts(api: KubeApi, domain: ApiDomain, removal: _Removal) -> None:
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
            await removal.attempt(
                api.merge(path, {"metadata": {}, "status": written}),
                f"ResourceQuota {namespace}/{name}: counts taken out",
            )


async def _conditions(api: KubeApi, domain: ApiDomain, removal: _Removal) -> None:
    path = f"/apis/{domain.operator_group}/v1/configs/{CONFIG}"
    try:
        config = await api.get(path)
    except NotFoundError:
        return
    conditions = (config.get("status") or {}).get("conditions") or []
    kept = [one for one in conditions if one.get("type") not in _CONDITIONS]
    if kept == conditions:
        return
    patch = {"metadata": _unchanged(config), "status": {"conditions": kept}}
    await removal.attempt(
        api.merge(f"{path}/status", patch), f"Config {CONFIG}: conditions taken out"
    )


def _unchanged(content: dict[str, Any]) -> dict[str, str]:
    """Metadata of a patch that fails if somebody else wrote meanwhile."""
    return {"resourceVersion": content["metadata"]["resourceVersion"]}
