"""Reviews of `image.alauda.io/v1`: size first, then the quota, one verdict with everything."""

import asyncio
from dataclasses import dataclass
from typing import TypeVar

from pydantic import ValidationError

from app.admission import changes
from app.admission.changes import Change, IncomingImage
from app.admission.enforcer import Enforcer
from app.admission.image_lookups import ImageLookups, RegistryImage, by_own_word, is_settled
from app.admission.references import References
from app.admission.review import AdmissionRequest
from app.model.base import KubeObject
from app.model.domain import ApiDomain
from app.model.image import Image
from app.model.limits import NO_LIMITS, Limit
from app.model.stream import (
    ImageStream,
    ImageStreamImport,
    ImageStreamMapping,
    ImageStreamTag,
    ImageTag,
)
from app.policy import followed_tags, image_limits
from app.policy.choices import FollowedTags, UnknownSize
from app.policy.image_limits import SizedImage
from app.policy.image_weight import Weight
from app.policy.verdict import Verdict
from app.quota.state import ClusterState, NamespaceView, view_of

_KINDS = frozenset(
    {"ImageStream", "ImageStreamImport", "ImageStreamMapping", "ImageStreamTag", "ImageTag"}
)
_FEW = 8
"""Images of a request that are asked for whether or not there is room for them."""
Model = TypeVar("Model", bound=KubeObject)

_STORED_BY_DRY_RUNS = frozenset({"ImageStreamImport", "ImageStreamMapping"})
"""The Image API stores them whatever `dryRun` says."""


@dataclass(frozen=True)
class ImageAdmission:
    """Decides what the kinds of the image group would bring into a namespace."""

    state: ClusterState
    enforcer: Enforcer
    references: References
    domain: ApiDomain
    unknown_size: UnknownSize
    followed_tags: FollowedTags = "warn"
    registry_image: RegistryImage | None = None

    async def review(self, request: AdmissionRequest, within: float) -> Verdict | None:
        """The verdict on a create or update; None for a kind that brings nothing.

        Raises ValidationError for an object whose shape is wrong, TooManyReferencesError, and
        StateUnavailableError if there is no safe answer within that many seconds.
        """
        if request.kind.kind == "Image":
            image = Image.model_validate(request.object)
            old = old_version(Image, request)
            return image_limits.check_truth(image.claim, old.claim if old else None)
        if request.kind.kind not in _KINDS:
            return None
        view = view_of(self.state, request.namespace)
        if view.limits == NO_LIMITS and request.kind.kind != "ImageStreamMapping":
            return Verdict()
        change = _change_of(request, self.references)
        reserve = not request.dry_run or request.kind.kind in _STORED_BY_DRY_RUNS
        return await self.decide(change, view, reserve=reserve, within=within)

    async def decide(
        self,
        change: Change,
        view: NamespaceView,
        *,
        reserve: bool,
        within: float,
        holder: str = "",
    ) -> Verdict:
        """Size first, then the quota; an allowed change holds its members as `holder`.

        Raises StateUnavailableError.
        """
        deadline = asyncio.get_running_loop().time() + within
        limit = view.limits.image_size
        verdict = Verdict()
        for problem in change.problems:
            verdict.deny("Incomplete", problem, "complete the object and send it again")
        for image in change.images:
            if image.claim is not None:
                verdict.include(image_limits.check_truth(image.claim))
        verdict.include(
            followed_tags.check(
                change.follows, limit, namespace=view.namespace, mode=self.followed_tags
            )
        )
        weights = dict(zip(change.images, map(by_own_word, change.images), strict=True))
        if limit is not None and not all(map(is_settled, change.images)):
            if len(change.images) > _FEW:
                # Counting is cheap and asking is not: nobody is asked for a request without room.
                room = await self._count(change, view, deadline, reserve=False, holder=holder)
                if not room.allowed:
                    verdict.include(room)
                    return verdict
            lookups = ImageLookups(self.state, self.registry_image, deadline - within / 2)
            weights = await lookups.weights(change.images)
        if limit is not None:
            for image, weight in weights.items():
                verdict.include(self._check_size(image, weight, limit, view.namespace))
        verdict.include(
            await self._count(
                change, view, deadline, reserve=reserve and verdict.allowed, holder=holder
            )
        )
        return verdict

    async def _count(
        self,
        change: Change,
        view: NamespaceView,
        deadline: float,
        *,
        reserve: bool,
        holder: str,
    ) -> Verdict:
        within = max(deadline - asyncio.get_running_loop().time(), 0.0)
        return await self.enforcer.decide(
            change.claims, view, reserve=reserve, within=within, holder=holder
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


def _change_of(request: AdmissionRequest, references: References) -> Change:
    """Raises TooManyReferencesError; ValidationError for an object whose shape is wrong."""
    namespace = request.namespace
    match request.kind.kind:
        case "ImageStreamMapping":
            return changes.of_mapping(ImageStreamMapping.model_validate(request.object), namespace)
        case "ImageStream":
            stream = ImageStream.model_validate(request.object)
            return changes.of_stream(
                stream,
                old_version(ImageStream, request),
                namespace,
                references,
                status=request.sub_resource == "status",
            )
        case "ImageStreamTag":
            tag = ImageStreamTag.model_validate(request.object)
            return changes.of_stream_tag(
                tag, old_version(ImageStreamTag, request), namespace, references
            )
        case "ImageTag":
            image_tag = ImageTag.model_validate(request.object)
            return changes.of_stream_tag(
                image_tag, old_version(ImageTag, request), namespace, references
            )
        case _:
            wanted = ImageStreamImport.model_validate(request.object)
            return changes.of_import(wanted, namespace, references, uid=request.uid)


def old_version(model: type[Model], request: AdmissionRequest) -> Model | None:
    """The stored version of the object; None if there is none, or none that can be read."""
    if request.old_object is None:
        return None
    try:
        return model.model_validate(request.old_object)
    except ValidationError:
        return None
