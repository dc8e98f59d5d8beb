"""The `caBundle` of our webhook configurations: the CAs that API servers trust."""

import logging
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator

from app.certs import trust
from app.cluster.api import ApiError, Content, KubeApi, NotFoundError

logger = logging.getLogger("registry_admission.certs")

_MANAGER = "registry-admission-certificates"
_API_VERSION = "admissionregistration.k8s.io/v1"
_KINDS = {
    "ValidatingWebhookConfiguration": "validatingwebhookconfigurations",
    "MutatingWebhookConfiguration": "mutatingwebhookconfigurations",
}


class WebhookTrust:
    """Reads and writes the `caBundle` of the configurations with one name, and no other field."""

    def __init__(self, api: KubeApi, name: str) -> None:
        self._api = api
        self._name = name
        self._missing: set[str] = set()

    async def published(self) -> list[bytes]:
        """The CA certificates that are trusted now, as PEM. Raises ApiError."""
        return [
            certificate
            async for _, configuration in self._configurations()
            for webhook in _webhooks(configuration)
            for certificate in _certificates(webhook["clientConfig"].get("caBundle", ""))
        ]

    async def publish(self, trusted: bytes, *, always: bool = False) -> bool:
        """Write the bundle to every webhook. Returns whether anything changed.

        If one configuration cannot be written, the others are still written, and the error is
        raised in the end. A configuration that does not exist is skipped. `always`: write the
        bundle even if it is there already, so that it stays if another field manager drops it.
        Raises ApiError.
        """
        bundle = b64encode(trusted).decode()
        changed, failed = False, None
        async for path, configuration in self._configurations():
            webhooks = _webhooks(configuration)
            known = (webhook["clientConfig"].get("caBundle") for webhook in webhooks)
            if not always and all(found == bundle for found in known):
                continue
            wanted = {
                "apiVersion": _API_VERSION,
                "kind": configuration["kind"],
                "metadata": {"name": self._name},
                "webhooks": [
                    {"name": webhook["name"], "clientConfig": {"caBundle": bundle}}
                    for webhook in webhooks
                ],
            }
            try:
                await self._api.apply(path, wanted, _MANAGER)
            except ApiError as error:
                failed = failed or error
                continue
            logger.info("caBundle written", extra={"kind": configuration["kind"]})
            changed = True
        if failed is not None:
            raise failed
        return changed

    async def _configurations(self) -> AsyncIterator[tuple[str, Content]]:
        for kind, resource in _KINDS.items():
            path = f"/apis/{_API_VERSION}/{resource}/{self._name}"
            try:
                configuration = await self._api.get(path)
            except NotFoundError:
                if kind not in self._missing:
                    logger.warning("%s %s does not exist", kind, self._name)
                self._missing.add(kind)
                continue
            self._missing.discard(kind)
            yield path, configuration


def _webhooks(configuration: Content) -> list[Content]:
    return configuration.get("webhooks") or []


def _certificates(bundle: str) -> list[bytes]:
    """The certificates of a bundle; none if it cannot be read, because then it has no effect."""
    try:
        return trust.split(b64decode(bundle))
    except ValueError:
        return []
