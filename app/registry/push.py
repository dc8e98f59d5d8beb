"""Push checks: a registry calls them before it accepts a blob or a manifest.

A manifest is decided by the same code as the ImageStreamMapping that ends its push. The review of
that mapping claims the same members, and usage is a set, so each member counts once.
"""

import logging
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace

from app.admission import changes
from app.admission.image_kinds import ImageAdmission
from app.model.image import ImageClaim
from app.model.manifest import Manifest
from app.policy import image_limits
from app.policy.enforcement import NOBODY, Sender
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
    """Bytes by which the upload may still grow; None without a limit."""


@dataclass(frozen=True)
class ManifestCheck:
    verdict: Verdict
    digest: str
    size: int | None
    """Bytes of the image, None if only its digest is given."""
    reservation: str
    """The holder, with which the caller cancels the reservation; empty for a refused manifest."""


class PushChecks:
    """Decides pushes by the policies of admission, and reserves their members."""

    def __init__(
        self,
        admission: ImageAdmission,
        tolerated: Callable[[Repository, Verdict], None] = lambda _repository, _verdict: None,
        refused: Callable[[Repository, Verdict], None] = lambda _repository, _verdict: None,
    ) -> None:
        """`tolerated`: called for each allowed manifest that exceeds a limit which is not enforced.
        `refused`: called for each verdict that `require` refuses."""
        self._admission = admission
        self._tolerated = tolerated
        self._refused = refused

    def allowance(self, repository: Repository, sender: Sender = NOBODY) -> int | None:
        """Bytes that one image, and so one blob, may have; None without a limit that is enforced.

        Raises StateUnavailableError.
        """
        return self._allowance(self._view(repository), sender)

    def blob(
        self,
        repository: Repository,
        uploaded: int,
        declared: int | None,
        sender: Sender = NOBODY,
    ) -> BlobCheck:
        """Whether an upload of `uploaded` bytes so far may become `declared` bytes.

        Raises StateUnavailableError.
        """
        view = self._view(repository)
        allowance = self._allowance(view, sender)
        size = max(uploaded, declared or 0)
        verdict = image_limits.check_size(
            SizedImage(f"a blob for {repository}", Weight(size)),
            view.limits.image_size,
            namespace=repository.namespace,
            domain=self._admission.domain,
            unknown_size=self._admission.unknown_size,
        )
        enforcement = self._admission.enforcement
        exemption = enforcement.exemption(sender, repository.namespace)
        verdict = enforcement.applied(verdict, exemption)
        return BlobCheck(verdict, None if allowance is None else max(allowance - uploaded, 0))

    async def manifest(
        self,
        repository: Repository,
        reference: Reference,
        manifest: Manifest,
        brings: Members = NONE,
        frees: Members = NONE,
        sender: Sender = NOBODY,
    ) -> ManifestCheck:
        """Decide a whole manifest. Raises StateUnavailableError.

        `brings`: further members that the push adds. `frees`: members that it removes.
        """
        image = ImageClaim.of_manifest(manifest)
        return await self._decide(repository, reference, image, sender, brings, frees)

    async def descriptor(
        self,
        repository: Repository,
        reference: Reference,
        digest: str,
        sender: Sender = NOBODY,
    ) -> ManifestCheck:
        """Decide a manifest of which only the digest is given. Its size comes from the state.
        Raises StateUnavailableError."""
        return await self._decide(repository, reference, ImageClaim(digest), sender)

    def _allowance(self, view: NamespaceView, sender: Sender) -> int | None:
        enforcement = self._admission.enforcement
        if enforcement.exemption(sender, view.namespace):
            return None
        lowest = view.limits.image_size
        limits = lowest.each if lowest else ()
        enforced = (one for one in limits if (one.mode or enforcement.default) == "enforce")
        return min((max(one.max.floor, 0) for one in enforced), default=None)

    async def room(
        self, repository: Repository, reference: Reference, sender: Sender = NOBODY
    ) -> Verdict:
        """Whether there is room for a push with this reference.

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
            exemption=self._admission.enforcement.exemption(sender, repository.namespace),
        )

    async def cancel(self, repository: Repository, reservation: str) -> bool:
        """Cancel the reservation of a failed push. Returns False if there is none.

        Reservations of admission reviews have other holders and cannot be cancelled here. Raises
        StateUnavailableError.
        """
        if _RESERVATION.fullmatch(reservation) is None:
            return False
        return await self._admission.enforcer.cancel(repository.namespace, reservation)

    def require(self, repository: Repository, verdict: Verdict) -> None:
        """Raises RegistryError for a refusal."""
        if not verdict.allowed:
            about = {"repository": str(repository), "reasons": list(verdict.reasons)}
            logger.info("denied", extra=about)
            self._refused(repository, verdict)
            raise denied(verdict)

    def _view(self, repository: Repository) -> NamespaceView:
        return view_of(self._admission.state, repository.namespace)

    async def _decide(
        self,
        repository: Repository,
        reference: Reference,
        image: ImageClaim,
        sender: Sender,
        brings: Members = NONE,
        frees: Members = NONE,
    ) -> ManifestCheck:
        # Each push has its own reservation. If one of two equal pushes fails, the other keeps its
        # place.
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
            sender=sender,
        )
        if verdict.allowed and verdict.tolerated:
            logger.info("allowed beyond a limit", extra=_about(repository, verdict))
            self._tolerated(repository, verdict)
        return ManifestCheck(
            verdict, image.digest, image.size, reservation if verdict.allowed else ""
        )


def _about(repository: Repository, verdict: Verdict) -> dict[str, object]:
    reasons = [found.reason for found in verdict.tolerated]
    exempt = {"exempt": verdict.exemption} if verdict.exemption else {}
    return {"repository": str(repository), "would_refuse": reasons, **exempt}
