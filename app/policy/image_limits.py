"""How large a single image may be, and whether an image tells the truth about itself."""

from dataclasses import dataclass
from typing import Literal

from app.model.domain import ApiDomain
from app.model.image import Image
from app.model.limits import Limit
from app.model.quantity import Quantity
from app.policy.verdict import Verdict

UnknownSize = Literal["deny", "warn", "allow"]


@dataclass(frozen=True)
class SizedImage:
    """An image that a request brings into a namespace."""

    label: str
    """How messages name it, such as `image sha256:… of tag app:v1`."""
    size: int | None
    """Bytes; None if no source knows."""
    may_be_unknown: bool = False
    """True for an image that will come from another registry: its size is known only after
    the import, and unknown is no sign of anything being hidden."""


def check_truth(image: Image, old: Image | None = None) -> Verdict:
    """An object that contradicts itself is not believed.

    `old` is the object before an update: what is stored can still be labelled and signed.
    """
    verdict = Verdict()
    stored = old.contradictions if old else []
    for contradiction in image.contradictions:
        problem = f"image {image.digest} is not believed: {contradiction}"
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
    """Hold one image against the lowest `max.storage` of its namespace."""
    verdict = Verdict()
    if limit is None:
        return verdict
    source = f"LimitRange {namespace}/{limit.source}"
    if image.size is None:
        _check_unknown(verdict, image, limit, source, domain, unknown_size)
    elif Quantity.of_bytes(image.size) > limit.max:
        size = Quantity.of_bytes(image.size)
        verdict.deny(
            "ImageTooLarge",
            f"requested usage of storage exceeds the maximum limit per {domain.image_type} "
            f"({size} > {limit.max}): {image.label}",
            f"make the image smaller, or raise max.storage in {source}",
        )
    return verdict


def _check_unknown(
    verdict: Verdict,
    image: SizedImage,
    limit: Limit,
    source: str,
    domain: ApiDomain,
    unknown_size: UnknownSize,
) -> None:
    problem = (
        f"the size of {image.label} is unknown, "
        f"and {source} allows {limit.max} per {domain.image_type}"
    )
    if unknown_size == "deny" and not image.may_be_unknown:
        verdict.deny(
            "ImageSizeUnknown",
            problem,
            "push the image through the registry, or set dockerImageMetadata.Size, "
            "dockerImageLayers or dockerImageManifest in the request",
        )
    elif unknown_size != "allow":
        verdict.warn(problem)
