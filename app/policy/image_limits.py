"""Checks the size of single images, and whether an image's object contradicts itself."""

from dataclasses import dataclass

from app.model.domain import ApiDomain
from app.model.image import ImageClaim
from app.model.limits import STORAGE, Limit
from app.model.quantity import Quantity, in_one_unit
from app.policy.choices import UnknownSize
from app.policy.image_weight import Weight
from app.policy.new_limit import NewLimit, storage_for
from app.policy.verdict import Verdict

_SAY_SIZE = (
    "push the image through the registry, or set dockerImageMetadata.Size, "
    "dockerImageLayers or dockerImageManifest in the request"
)


@dataclass(frozen=True)
class SizedImage:
    """An image that a request brings into a namespace."""

    label: str
    """Its name in messages, such as `image sha256:… of tag app:v1`."""
    weight: Weight
    may_be_unknown: bool = False
    """True for an image of another registry, whose size is known only after its import."""
    digest: str = ""
    expected_in: str = ""
    """The ImageStream that should hold the image, if a reference names one."""

    def label_of(self, digest: str) -> str:
        """The name in messages of this image, or of an image that it lists."""
        listed = digest not in ("", self.digest)
        return f"image {digest} (listed by {self.label})" if listed else self.label


def check_truth(image: ImageClaim, old: ImageClaim | None = None) -> Verdict:
    """Refuse an object that contradicts itself.

    `old` is the object before an update. A contradiction that is stored already is a warning, so
    that the object can still be labelled and signed.
    """
    verdict = Verdict()
    stored = old.contradictions if old else ()
    name = f"image {image.digest}" if image.digest else "the image without a name"
    for contradiction in image.contradictions:
        problem = f"{name} is not believed: {contradiction}"
        if contradiction in stored:
            verdict.warn(problem)
            continue
        verdict.deny(
            "ImageContradictsItself",
            problem,
            "push the image again, or send the metadata that the registry has for it",
        )
    return verdict


def check_size(
    image: SizedImage,
    limit: Limit | None,
    *,
    namespace: str,
    domain: ApiDomain,
    unknown_size: UnknownSize,
) -> Verdict:
    """Compare one image, and every image that it lists, with the lowest `max.storage`."""
    verdict, weight = Verdict(), image.weight
    for one in limit.each if limit else ():
        source = f"LimitRange {namespace}/{one.source}"
        if weight.size is not None and Quantity.of_bytes(weight.size) > one.max:
            size, allowed = in_one_unit(Quantity.of_bytes(weight.size), one.max)
            verdict.exceed(
                "ImageTooLarge",
                f"requested usage of storage exceeds the maximum limit per {domain.image_type} "
                f"({size} > {allowed}): {image.label_of(weight.heaviest)}",
                f"make the image smaller, or raise max.storage in {source}",
                one.mode,
                exact=f"{weight.size} > {one.max.floor} bytes",
                remedy=NewLimit(
                    "LimitRange",
                    namespace,
                    one.source,
                    ((STORAGE, storage_for(weight.size)),),
                    domain.image_type,
                    one.position,
                ),
            )
        elif weight.size is None or weight.unknown:
            _check_unknown(verdict, image, one, source, domain, unknown_size)
    return verdict


def _check_unknown(
    verdict: Verdict,
    image: SizedImage,
    limit: Limit,
    source: str,
    domain: ApiDomain,
    unknown_size: UnknownSize,
) -> None:
    label = image.label_of(image.weight.unknown)
    problem = (
        f"the size of {label} is unknown, and {source} allows {limit.max} per {domain.image_type}"
    )
    if unknown_size == "deny" and not image.may_be_unknown:
        verdict.exceed("ImageSizeUnknown", problem, _advice(image), limit.mode)
    elif unknown_size != "allow":
        verdict.warn(problem)


def _advice(image: SizedImage) -> str:
    if image.expected_in:
        return f"name an image that {image.expected_in} holds, or push this one there first"
    if image.weight.unknown not in ("", image.digest):
        return "push the images that an index lists before the index"
    return _SAY_SIZE
