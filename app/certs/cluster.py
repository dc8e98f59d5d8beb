"""Certificates that the service makes and renews. All replicas share them in a Secret.

Every replica repeats the same steps: read the Secret, write its CAs into the webhook
configurations, serve its certificate from a local folder, and store the change that `rotation`
finds due. The first replica that stores a change wins, and the others read it.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from app.certs import authority, files, rotation
from app.certs.authority import KeyPair
from app.certs.files import CertificateError
from app.certs.rotation import Certificates, Schedule
from app.certs.webhooks import WebhookTrust
from app.cluster.api import ApiError, ConflictError, Content, KubeApi, NotFoundError

logger = logging.getLogger("registry_admission.certs")

NAME = "registry-admission-tls"
"""The name of the Secret."""
_SOON = 1.0
"""Seconds until the next look after a write. API servers have seen the write by then."""
_POLL = 10.0
"""Seconds between two looks if nothing changes."""


def service_names(service: str, namespace: str) -> list[str]:
    """The names by which API servers and Pods call a Service."""
    return [f"{service}.{namespace}.svc", f"{service}.{namespace}.svc.cluster.local"]


class ClusterCertificates:
    """Writes `tls.crt` and `tls.key` to a folder, and their CA to the webhook configurations."""

    def __init__(
        self,
        api: KubeApi,
        folder: Path,
        *,
        namespace: str,
        names: Sequence[str],
        webhooks: str = "registry-admission",
        schedule: Schedule | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`names`: the names in the certificate. `webhooks`: the name of both configurations."""
        self._api = api
        self.folder = folder
        self._path = f"/api/v1/namespaces/{namespace}/secrets"
        self._names = names
        self._webhooks = WebhookTrust(api, webhooks)
        self._schedule = schedule or Schedule()
        self._clock = clock
        self._served: KeyPair | None = None
        self._in_force: tuple[bytes, datetime] | None = None
        """The bundle in the webhook configurations, and when it was first seen there."""
        self._ready = False
        self._problem = "not checked yet"

    def problems(self) -> list[str]:
        """Why API servers cannot trust this replica yet. Empty once they trust it."""
        return [] if self._ready else [f"certificates: {self._problem}"]

    async def prepare(self) -> None:
        """Return when the folder has a certificate. This may have to wait for the API server.

        Then the service can start, and report by `problems` why it is not ready.
        """
        while self._served is None:
            if not await self._attempt():
                await asyncio.sleep(_SOON)

    async def run(self) -> None:
        """Renew and publish the certificates until cancelled."""
        more = True
        while True:
            await asyncio.sleep(_SOON if more else _POLL)
            more = await self._attempt()

    async def step(self) -> bool:
        """Look once, and do what is due. Returns whether to look again soon.

        Raises ApiError, and CertificateError for a Secret that the service did not make or a folder
        that cannot be written.
        """
        found, stored = await self._read()
        if found is None:
            await self._renew(None, stored, await self._webhooks.published())
            return True
        if not rotation.is_valid(found.serving, self._clock()):
            # No API server accepts this certificate, so it can be replaced at once.
            self._problem = f"the certificate in Secret {NAME} is not valid at this time"
            await self._renew(found, stored)
            return True
        if self._served is None:
            await self._serve(found.serving)
        changed = await self._webhooks.publish(found.trusted)
        if changed or self._in_force is None or self._in_force[0] != found.trusted:
            # Serve another certificate only after API servers have seen its CA.
            self._in_force = None if changed else (found.trusted, self._clock())
            self._problem = "the caBundle of the webhook configurations may be only just written"
            return True
        self._ready = True
        await self._serve(found.serving)
        return await self._renew(found, stored)

    async def _attempt(self) -> bool:
        try:
            return await self.step()
        except ConflictError:
            # Another replica was first.
            return True
        except (ApiError, CertificateError) as error:
            self._problem = str(error)
            logger.warning("certificates not checked: %s", error)
            return False

    async def _renew(
        self, found: Certificates | None, stored: Content | None, published: Sequence[bytes] = ()
    ) -> bool:
        """Store what is due. Returns whether anything was. Raises ConflictError."""
        due = self._due(found, published)
        if due is not None:
            await self._store(due, stored)
        return due is not None

    def _due(self, found: Certificates | None, published: Sequence[bytes]) -> Certificates | None:
        try:
            return rotation.next_step(
                found,
                names=self._names,
                now=self._clock(),
                in_force_since=self._in_force[1] if self._in_force else None,
                published=published,
                schedule=self._schedule,
            )
        except ValueError as error:
            raise CertificateError(f"no certificate made: {error}") from None

    async def _read(self) -> tuple[Certificates | None, Content | None]:
        """The certificates, or None without usable ones, and the Secret itself."""
        try:
            stored = await self._api.get(f"{self._path}/{NAME}")
        except NotFoundError:
            return None, None
        data = stored.get("data") or {}
        if data and files.AUTHORITY_KEY not in data:
            raise CertificateError(
                f"Secret {NAME} has no {files.AUTHORITY_KEY}, so the service did not make it and "
                "does not replace it; mount it and name its folder with --tls-dir, or delete it"
            )
        try:
            return rotation.decode(data), stored
        except ValueError as error:
            logger.error("Secret %s cannot be used and is replaced: %s", NAME, error)
            return None, stored

    async def _store(self, due: Certificates, stored: Content | None) -> None:
        """Write the Secret if it is still the one that was read. Raises ConflictError."""
        data = rotation.encode(due)
        if stored is None:
            content = {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {
                    "name": NAME,
                    "labels": {"app.kubernetes.io/name": "registry-admission"},
                },
                "type": "kubernetes.io/tls",
                "data": data,
            }
            await self._api.create(self._path, content)
        else:
            await self._api.replace(f"{self._path}/{NAME}", {**stored, "data": data})
        logger.info(
            "certificates renewed",
            extra={
                "expires": authority.expires_at(due.serving.certificate).isoformat(),
                "successor": due.successor is not None,
            },
        )

    async def _serve(self, serving: KeyPair) -> None:
        if serving != self._served:
            await asyncio.to_thread(files.save, self.folder, serving)
            self._served = serving
