"""Reviews of `image.alauda.io/v1`: size first, then the quota, one verdict with everything."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from pydantic import ValidationError

from app.admission import changes
from app.admission.changes import Change, IncomingImage
from app.admission.enforcer import Enforcer
from app.admission.references import References
from app.admission.review import AdmissionRequest
from app.model.base import KubeObject
from app.model.domain import ApiDomain
from app.model.image import Image
from app.model.stream import (
    ImageStream,
    ImageStreamImport,
    ImageStreamMapping,
    ImageStreamTag,
    ImageTag,
)
from app.policy import followed_tags, image_limits
from app.policy.followed_tags import FollowedTags
from app.policy.image_limits import SizedImage, UnknownSize
from app.policy.verdict import Verdict
from app.quota.state import ClusterState, require_available

RegistrySize = Callable[[str, str], Awaitable[int | None]]
Model = TypeVar("Model", bound=KubeObject)


@dataclass(frozen=True)
class ImageAdmission:
    """Decides what the kinds of the image group would bring into a namespace."""

    state: ClusterState
    enforcer: Enforcer
    references: References
    domain: ApiDomain
    unknown_size: UnknownSize
    followed_tags: FollowedTags = "warn"
    registry_size: RegistrySize | None = None
    """Asks the internal registry for the size of (repository, digest)."""

    async def review(self, request: AdmissionRequest, within: float) -> Verdict | None:
        """The verdict on a create or update; None for a kind that brings nothing.

        Raises ValidationError for an object whose shape is wrong, StateUnavailableError if
        there is no safe answer within that many seconds.
        """
        if request.kind.kind == "Image":
            image = Image.model_validate(request.object)
            return image_limits.check_truth(image, old_version(Image, request))
        change = _change_of(request, self.references)
        if change is None:
            return None
        return await self.decide(change, reserve=not request.dry_run, within=within)

    async def decide(
        self, change: Change, *, reserve: bool, within: float, holder: str = ""
    ) -> Verdict:
        """Size first, then the quota; an allowed change holds its members as `holder`.

        Raises StateUnavailableError.
        """
        require_available(self.state)
        clock = asyncio.get_running_loop().time
        deadline = clock() + within
        verdict = Verdict()
        for problem in change.problems:
            verdict.deny("Incomplete", problem, "complete the object and send it again")
        namespace = change.claims.namespace
        for image in change.images:
            verdict.include(
                await self._check_image(image, namespace, ask_until=deadline - within / 2)
            )
        limit = self.state.limits(namespace).image_size
        verdict.include(
            followed_tags.check(change.follows, limit, namespace=namespace, mode=self.followed_tags)
        )
        verdict.include(
            await self.enforcer.decide(
                change.claims,
                reserve=reserve and verdict.allowed,
                within=max(deadline - clock(), 0.0),
                holder=holder,
            )
        )
        return verdict

    async def _check_image(self, image: IncomingImage, namespace: str, ask_until: float) -> Verdict:
        verdict = Verdict()
        if image.content is not None:
            verdict.include(image_limits.check_truth(image.content))
        limit = self.state.limits(namespace).image_size
        if limit is None:
            return verdict
        size = await self._size(image, ask_until)
        sized = SizedImage(image.label, size, image.may_be_unknown)
        verdict.include(
            image_limits.check_size(
                sized,
                limit,
                namespace=namespace,
                domain=self.domain,
                unknown_size=self.unknown_size,
            )
        )
        return verdict

    async def _size(self, image: IncomingImage, ask_until: float) -> int | None:
        """Bytes, by the request and by what is known of the digest, whichever is larger; if
        that is only the request's own word, or nothing, by the internal registry as well."""
        content = image.content
        claimed = content.size if content is not None else None
        known = await self.state.image_size(image.digest) if image.digest else None
        proven = known is not None or (content is not None and content.is_proven)
        asked = None if proven else await self._ask_registry(image, ask_until)
        sizes = (size for size in (claimed, known, asked) if size is not None)
        return max(sizes, default=None)

    async def _ask_registry(self, image: IncomingImage, until: float) -> int | None:
        if self.registry_size is None or image.may_be_unknown:
            return None
        try:
            async with asyncio.timeout_at(until):
                return await self.registry_size(image.repository, image.digest or "")
        except TimeoutError:
            return None


def _change_of(request: AdmissionRequest, references: References) -> Change | None:
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
        case "ImageStreamImport":
            wanted = ImageStreamImport.model_validate(request.object)
            return changes.of_import(wanted, namespace, references)
        case _:
            return None


def old_version(model: type[Model], request: AdmissionRequest) -> Model | None:
    """The stored version of the object; None if there is none, or none that can be read."""
    if request.old_object is None:
        return None
    try:
        return model.model_validate(request.old_object)
    except ValidationError:
        return None
