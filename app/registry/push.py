"""Push checks: what a registry asks before it takes a blob, and before it takes a manifest.

A manifest is decided as the ImageStreamMapping that its push ends with, by the same code. The
admission review of that mapping claims the same members, and a set counts each of them once.
"""

import logging
import re
import secrets
from dataclasses import dataclass, replace

from app.admission import changes
from app.admission.image_kinds import ImageAdmission
from app.model.image import ImageClaim
from app.model.manifest import Manifest
from app.policy import image_limits
from app.policy.image_limits import SizedImage
from app.policy.image_weight import Weight
from app.policy.verdict import Verdict
from app.quota.ledger import PUSH_CHECK
from app.quota.members import NONE, Claims, Members
from app.quota.state import NamespaceView, view_of
from app.registry.errors import denied
from app.registry.names import Reference, Repository

logger = logging.getLogger("registry_admission.push")

RESERVATION_PATTERN = rf"^{PUSH_CHECK}[0-9a-f]{{32}}$"
_RESERVATION = re.compile(RESERVATION_PATTERN)
_WITHIN = 8.0
"""Seconds for one decision."""


@dataclass(frozen=True)
class BlobCheck:
    verdict: Verdict
    remaining: int | None
    """Bytes that the upload may still grow by; None without a limit."""


@dataclass(frozen=True)
class ManifestCheck:
    verdict: Verdict
    digest: str
    size: int | None
    """Bytes of the image, None if only its digest is given."""
    reservation: str
    """Gives the members back when it is cancelled; empty for a refused manifest."""


class PushChecks:
    """Decides pushes by the policies of admission, and reserves what they add."""

    def __init__(self, admission: ImageAdmission) -> None:
        self._admission = admission

    def allowance(self, repository: Repository) -> int | None:
        """Bytes that one image, and so one blob, may have; None without a limit.

        Raises StateUnavailableError.
        """
        return _allowance(self._view(repository))

    def blob(self, repository: Repository, uploaded: int, declared: int | None) -> BlobCheck:
        """Whether an upload of `uploaded` bytes so far may become `declared` bytes.

        Raises StateUnavailableError.
        """
        view = self._view(repository)
        allowance = _allowance(view)
        size = max(uploaded, declared or 0)
        verdict = image_limits.check_size(
            SizedImage(f"a blob for {repository}", Weight(size)),
            view.limits.image_size,
            namespace=repository.namespace,
            domain=self._admission.domain,
            unknown_size=self._admission.unknown_size,
        )
        return BlobCheck(verdict, None if allowance is None else max(allowance - uploaded, 0))

    async def manifest(
        self,
        repository: Repository,
        reference: Reference,
        manifest: Manifest,
        brings: Members = NONE,
        frees: Members = NONE,
    ) -> ManifestCheck:
        """Decide a whole manifest. Raises StateUnavailableError.

        `brings`: other members that count once it is stored. `frees`: members that no longer do.
        """
        image = ImageClaim.of_manifest(manifest)
        return await self._decide(repository, reference, image, brings, frees)

    async def descriptor(
        self, repository: Repository, reference: Reference, digest: str
    ) -> ManifestCheck:
        """Decide a manifest of which the caller gives the digest only: its size is what the
        state knows of it. Raises StateUnavailableError."""
        return await self._decide(repository, reference, ImageClaim(digest))

    async def room(self, repository: Repository, reference: Reference) -> Verdict:
        """Whether there is room for a push of which only the reference is known.

        Reserves nothing. Raises StateUnavailableError.
        """
        stream, tag, digest = repository.stream, reference.tag, reference.digest
        members = Members(
            frozenset({stream}),
            frozenset({(stream, digest)} if digest else ()),
            frozenset({(stream, tag)} if tag else ()),
        )
        return await self._admission.enforcer.decide(
            Claims(repository.namespace, members),
            self._view(repository),
            reserve=False,
            within=_WITHIN,
        )

    async def cancel(self, repository: Repository, reservation: str) -> bool:
        """Give back what a failed push has reserved; False if it holds nothing any more.

        Only reservations of push checks can be cancelled: those of admission reviews have
        other names. Raises StateUnavailableError.
        """
        if _RESERVATION.fullmatch(reservation) is None:
            return False
        return await self._admission.enforcer.cancel(repository.namespace, reservation)

    def _view(self, repository: Repository) -> NamespaceView:
        return view_of(self._admission.state, repository.namespace)

    async def _decide(
        self,
        repository: Repository,
        reference: Reference,
        image: ImageClaim,
        brings: Members = NONE,
        frees: Members = NONE,
    ) -> ManifestCheck:
        # A reservation of its own for each push: when one of two equal pushes fails, the place
        # that the other one relies on stays taken.
        reservation = f"{PUSH_CHECK}{secrets.token_hex(16)}"
        change = changes.of_push(repository.namespace, repository.stream, reference.tag, image)
        adds = change.claims.adds | brings
        change.claims = replace(change.claims, adds=adds, removes=frees - adds)
        verdict = await self._admission.decide(
            change,
            self._view(repository),
            reserve=True,
            within=_WITHIN,
            holder=reservation,
        )
        return ManifestCheck(
            verdict, image.digest, image.size, reservation if verdict.allowed else ""
        )


def _allowance(view: NamespaceView) -> int | None:
    limit = view.limits.image_size
    return None if limit is None else max(limit.max.floor, 0)


def require(repository: Repository, verdict: Verdict) -> None:
    """Raises RegistryError for a refusal, which is news for the log."""
    if not verdict.allowed:
        reasons = [violation.reason for violation in verdict.violations]
        logger.info("denied", extra={"repository": str(repository), "reasons": reasons})
        raise denied(verdict)
