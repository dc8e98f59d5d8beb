"""The writes of the pull secret controller, at a limited rate."""

from datetime import UTC, datetime

from app.cluster.api import ApiError, ConflictError, Content, KubeApi, NotFoundError
from app.controllers.pull_secrets.objects import (
    DATA_KEY,
    DOCKER_CONFIG_TYPE,
    EMPTY,
    MANAGER,
    Account,
    Marks,
    PullSecret,
    docker_config,
    owner_reference,
    seal,
    secret_name,
)
from app.controllers.rate import RateLimiter

_OURS = {"fieldManager": MANAGER}


class TakenError(ApiError):
    """Another owner's Secret has the name that we need."""


class PullSecretWrites:
    """Each method returns the stored object. All raise ApiError."""

    def __init__(self, api: KubeApi, marks: Marks, pace: RateLimiter) -> None:
        self._api = api
        self._marks = marks
        self._pace = pace

    async def create(self, account: Account) -> Content:
        """Create a Secret without a token, because a token is bound to the Secret's uid.

        A Secret of ours whose label was removed gets it back. Raises TakenError for another owner's
        Secret.
        """
        name = secret_name(account.namespace, account.name)
        content = {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": DOCKER_CONFIG_TYPE,
            "metadata": {"name": name, **self._metadata(account)},
            "stringData": {DATA_KEY: EMPTY.decode()},
        }
        await self._pace.turn()
        try:
            return await self._api.create(_secrets(account.namespace), content, _OURS)
        except ConflictError:
            return await self._adopt(account, name)

    async def renew(
        self, account: Account, secret_uid: str, hosts: tuple[str, ...], life: float
    ) -> Content:
        """Write a new token, which is valid as long as its Secret exists."""
        name = secret_name(account.namespace, account.name)
        bound = {"apiVersion": "v1", "kind": "Secret", "name": name, "uid": secret_uid}
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": round(life), "boundObjectRef": bound},
        }
        await self._pace.turn()
        granted = await self._api.create(f"{_account(account)}/token", request)
        expires = datetime.fromisoformat(granted["status"]["expirationTimestamp"]).timestamp()
        # The API server may grant another life than the requested one.
        issued = expires - granted["spec"]["expirationSeconds"]
        data = docker_config(hosts, granted["status"]["token"])
        written = (",".join(hosts), _timestamp(issued), _timestamp(expires))
        metadata = self._metadata(account)
        metadata["uid"] = secret_uid
        metadata["annotations"] |= dict(
            zip((self._marks.hosts, self._marks.issued, self._marks.expires), written, strict=True)
        )
        metadata["annotations"][self._marks.seal] = seal(*written, data)
        patch = {"metadata": metadata, "data": {DATA_KEY: data}}
        await self._pace.turn()
        return await self._api.merge(f"{_secrets(account.namespace)}/{name}", patch, _OURS)

    async def set_pull_secrets(self, account: Account, names: tuple[str, ...]) -> Content:
        """Write the whole list, if the ServiceAccount still has the version that was read."""
        patch = {
            "metadata": {"uid": account.uid, "resourceVersion": account.version},
            "imagePullSecrets": [{"name": name} if name else {} for name in names],
        }
        await self._pace.turn()
        return await self._api.merge(_account(account), patch, _OURS)

    async def delete(self, namespace: str, name: str, secret: PullSecret) -> None:
        """Delete a Secret, which also revokes its tokens."""
        await self._pace.turn()
        try:
            await self._api.delete(
                f"{_secrets(namespace)}/{name}", {"preconditions": {"uid": secret.uid}}
            )
        except NotFoundError:
            return

    async def _adopt(self, account: Account, name: str) -> Content:
        path = f"{_secrets(account.namespace)}/{name}"
        await self._pace.turn()
        metadata = (await self._api.metadata(path))["metadata"]
        noted = (metadata.get("annotations") or {}).get(self._marks.account)
        owners = {reference.get("uid") for reference in metadata.get("ownerReferences") or []}
        if noted != account.name and account.uid not in owners:
            raise TakenError(409, f"{path} exists and belongs to another owner")
        patch = {"metadata": {**self._metadata(account), "uid": metadata["uid"]}}
        await self._pace.turn()
        return await self._api.merge(path, patch, _OURS)

    def _metadata(self, account: Account) -> Content:
        return {
            "labels": {
                "app.kubernetes.io/managed-by": "registry-admission",
                self._marks.label: "true",
            },
            "annotations": {self._marks.account: account.name},
            "ownerReferences": [owner_reference(account)],
        }


def _secrets(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/secrets"


def _account(account: Account) -> str:
    return f"/api/v1/namespaces/{account.namespace}/serviceaccounts/{account.name}"


def _timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
