"""Reviews of `image.alauda.io/v1`: size first, then the quota, one verdict with everything."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass

from app.admission.changes import Change, IncomingImage
from app.admission.enforcer import Enforcer
from app.admission.image_lookups import ImageLookups, RegistryImage, is_settled
from app.admission.references import References
from app.admission.review import AdmissionRequest, UserInfo
from app.model.domain import ApiDomain
from app.model.image import Image
from app.model.limits import NO_LIMITS, Limit
from app.policy import followed_tags, image_limits
from app.policy.choices import FollowedTags, UnknownSize
from app.policy.enforcement import ENFORCED, NOBODY, Enforcement, Sender
from app.policy.image_limits import SizedImage
from app.policy.image_weight import Weight
from app.policy.verdict import Verdict
from app.quota.state import ClusterState, NamespaceView, StateUnavailableError, view_of

_FEW = 8
"""Up to this number of images are looked up before the count is checked."""
_REST = 0.75
"""Fraction of a review's time that the decision itself may take."""
_LOOK_AGAIN = 0.05
"""Seconds."""
ChangeOf = Callable[[AdmissionRequest, References], Change]
"""What a request would change. Raises ValidationError and TooManyReferencesError."""
Visibility = Callable[[UserInfo, Collection[str]], Awaitable[Collection[str]]]
"""The namespaces, out of these, that a user may see. Raises StateUnavailableError."""


@dataclass(frozen=True)
class ImageAdmission:
    """Decides the kinds of the image group that bring images into a namespace."""

    state: ClusterState
    enforcer: Enforcer
    references: References
    domain: ApiDomain
    unknown_size: UnknownSize
    followed_tags: FollowedTags = "warn"
    registry_image: RegistryImage | None = None
    visibility: Visibility | None = None
    """Without one, users see every namespace."""
    enforcement: Enforcement = ENFORCED

    def check_image(self, request: AdmissionRequest) -> Verdict:
        """Refuse an Image whose fields contradict each other. Raises ValidationError."""
        image, old = request.new(Image), request.old(Image)
        return image_limits.check_truth(image.claim, old.claim if old else None)

    async def review(
        self,
        request: AdmissionRequest,
        change_of: ChangeOf,
        within: float,
        *,
        dry_run_stores: bool = False,
    ) -> Verdict:
        """The verdict on a create or update of a kind that brings images into a namespace.

        `dry_run_stores`: the Image API stores this kind whatever `dryRun` says.
        Raises ValidationError for an object whose shape is wrong, TooManyReferencesError, and
        StateUnavailableError if there is no safe answer within that many seconds.
        """
        deadline = asyncio.get_running_loop().time() + within
        await self._caught_up(deadline - within * _REST)
        view = view_of(self.state, request.namespace)
        if view.limits == NO_LIMITS and request.kind.kind != "ImageStreamMapping":
            return Verdict()
        change = await self._change_seen_by(request, change_of, within / 2)
        within = max(deadline - asyncio.get_running_loop().time(), 0.0)
        reserve = dry_run_stores or not request.dry_run
        sender = Sender(request.user_info.username, tuple(request.user_info.groups))
        return await self.decide(change, view, reserve=reserve, within=within, sender=sender)

    async def _caught_up(self, until: float) -> None:
        """Wait until the state can be decided on, or until that time of the loop.

        So a view that is a moment too old causes no refusal: the next heartbeat makes it fresh.
        """
        loop = asyncio.get_running_loop()
        while True:
            if not self.state.problems() or loop.time() >= until:
                return
            await asyncio.sleep(_LOOK_AGAIN)

    async def _change_seen_by(
        self, request: AdmissionRequest, change_of: ChangeOf, within: float
    ) -> Change:
        """The change, with references to namespaces that the user may not see left out.

        A refusal names images and sizes. It must not show those of a namespace to users without
        a right there. The Image API does not import from such a namespace either.
        Raises StateUnavailableError if that is not known within so many seconds.
        """
        if self.visibility is None:
            return change_of(request, self.references)
        references = self.references.limited_to({request.namespace})
        change = change_of(request, references)
        if not references.hidden:
            return change
        try:
            async with asyncio.timeout(within):
                seen = await self.visibility(request.user_info, references.hidden)
        except TimeoutError:
            raise StateUnavailableError(
                f"the rights of its user are not known after {within:g} s"
            ) from None
        return change_of(request, self.references.limited_to({request.namespace, *seen}))

    async def decide(
        self,
        change: Change,
        view: NamespaceView,
        *,
        reserve: bool,
        within: float,
        holder: str = "",
        sender: Sender = NOBODY,
    ) -> Verdict:
        """Size first, then the quota; an allowed change holds its members as `holder`.

        Raises StateUnavailableError.
        """
        deadline = asyncio.get_running_loop().time() + within
        limit = view.limits.image_size
        exemption = self.enforcement.exemption(sender, view.namespace)
        verdict = Verdict()
        # Without limits nothing is counted, and the Image API decides on its own.
        for problem in change.problems if view.limits != NO_LIMITS else ():
            verdict.deny("Incomplete", problem, "complete the object and send it again")
        for image in change.images:
            if image.claim is not None:
                verdict.include(image_limits.check_truth(image.claim))
        verdict.include(
            followed_tags.check(
                change.follows, limit, namespace=view.namespace, mode=self.followed_tags
            )
        )
        lookups = ImageLookups(
            self.state, self.registry_image, self.references.repository_of, deadline - within / 2
        )
        if limit is not None:
            images = list(dict.fromkeys(change.images))
            if len(images) > _FEW and not all(map(is_settled, images)):
                # Counting is cheap and looking up sizes is not: count first.
                room = await self._count(change, view, deadline, False, holder, exemption)
                if not room.allowed:
                    verdict.include(room)
                    return self.enforcement.applied(verdict, exemption)
            weights = await lookups.weights(images)
            for image, weight in zip(images, weights, strict=True):
                verdict.include(self._check_size(image, weight, limit, view.namespace))
        verdict = self.enforcement.applied(verdict, exemption)
        if lookups.late and verdict.reasons == ("ImageSizeUnknown",):
            # A client takes a refusal for final. With an answer in time there may be none.
            raise StateUnavailableError(f"sizes of images are not known after {within / 2:.3g} s")
        reserve = reserve and verdict.allowed
        verdict.include(await self._count(change, view, deadline, reserve, holder, exemption))
        return verdict

    async def _count(
        self,
        change: Change,
        view: NamespaceView,
        deadline: float,
        reserve: bool,
        holder: str,
        exemption: str,
    ) -> Verdict:
        within = max(deadline - asyncio.get_running_loop().time(), 0.0)
        return await self.enforcer.decide(
            change.claims,
            view,
            reserve=reserve,
            within=within,
            holder=holder,
            exemption=exemption,
        )

    def _check_size(
        self, image: IncomingImage, weight: Weight, limit: Limit, namespace: str
    ) -> Verdict:
        return image_limits.check_size(
            SizedImage(
                image.label, weight, image.may_be_unknown, image.digest or "", image.expected_in
            ),
            limit,
            namespace=namespace,
            domain=self.domain,
            unknown_size=self.unknown_size,
        )
