"""Images and the sizes that their objects declare.

Shapes: Image of `image.alauda.io/v1`. The size of an image is the sum of its distinct layers and
its config, in bytes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

from pydantic import Field

from app.model.base import KubeModel, KubeObject
from app.model.manifest import (
    MAX_SIZE,
    Descriptor,
    InvalidManifestError,
    Manifest,
    digest_of,
    distinct_total,
    is_schema_1,
    parse_embedded,
)

_NO_IMAGE = "application/octet-stream"
ByteCount = Annotated[int, Field(ge=0, le=MAX_SIZE)]


class ImageLayer(KubeModel):
    name: str = ""
    size: ByteCount = 0
    media_type: str = ""


class DockerImageMetadata(KubeModel):
    size: ByteCount | None = Field(default=None, alias="Size")


@dataclass(frozen=True, slots=True)
class ImageClaim:
    """The statement of one source about an image: of a request, a stored Image, or the registry."""

    digest: str
    size: int | None = None
    """Bytes of the image's own layers and config; None if the source does not say."""
    children: tuple[str, ...] = ()
    """Digests of the images that an index lists."""
    proven: bool = False
    """Whether it follows from bytes whose digest was compared. Otherwise it is only a
    declaration."""
    contradictions: tuple[str, ...] = ()
    """Contradictions within the source; empty for an honest one."""
    others: tuple[str, ...] = ()
    """Digests that an index lists with another media type than that of an image. CRI-O ignores the
    media type, so such a digest counts as an image if it is a stored Image."""
    reference: str = ""
    """The pull spec of the image, from a source without a proof."""

    @property
    def listed(self) -> tuple[str, ...]:
        return self.children + self.others

    @classmethod
    def of_manifest(cls, manifest: Manifest) -> "ImageClaim":
        return cls(
            manifest.digest,
            manifest.size,
            manifest.children,
            proven=True,
            others=manifest.others,
        )

    @classmethod
    def merged(cls, digest: str, claims: Iterable["ImageClaim"]) -> "ImageClaim":
        """Combine several claims. The larger size counts, so that no claim makes an image
        smaller."""
        found = list(claims)
        return cls(
            digest,
            _largest(*(claim.size for claim in found)),
            tuple(dict.fromkeys(child for claim in found for child in claim.children)),
            any(claim.proven for claim in found),
            tuple(problem for claim in found for problem in claim.contradictions),
            tuple(dict.fromkeys(other for claim in found for other in claim.others)),
        )


@dataclass(frozen=True, slots=True)
class StoredImage:
    """The blobs that an image keeps in storage."""

    blobs: Mapping[str, int]
    """Bytes of its own layers and its config, by digest; empty if they are not known."""
    children: tuple[str, ...] = ()
    """Digests of the images that an index lists."""


class ImageManifest(KubeModel):
    """An entry of `dockerImageManifests`: one image of an index."""

    digest: str = ""
    manifest_size: ByteCount = 0
    media_type: str = ""

    @property
    def descriptor(self) -> Descriptor:
        return Descriptor(self.digest, self.manifest_size, self.media_type)


class Image(KubeObject):
    """An Image, cluster-scoped or inside an ImageStreamMapping. Its name is its digest."""

    kind: str = "Image"
    docker_image_reference: str = ""
    docker_image_metadata: DockerImageMetadata = Field(default_factory=DockerImageMetadata)
    docker_image_layers: list[ImageLayer] = Field(default_factory=list)
    docker_image_manifests: list[ImageManifest] = Field(default_factory=list)
    docker_image_manifest: str = ""
    docker_image_manifest_media_type: str = ""
    docker_image_config: str = ""

    @property
    def digest(self) -> str:
        return self.metadata.name

    @property
    def claimed_size(self) -> int | None:
        """Bytes that `dockerImageMetadata.Size` declares. None for 0: it may be an unset Size."""
        return self.docker_image_metadata.size or None

    @property
    def measured_size(self) -> int | None:
        """Bytes by the object's layers and config, or by its manifest: the larger number.

        None if the object lists neither, or only layers without a size.
        """
        return _largest(self._size_by_layers(), self._manifest.size if self._manifest else None)

    @property
    def size(self) -> int | None:
        """Bytes: the larger of the declared and the measured size."""
        return _largest(self.claimed_size, self.measured_size)

    @property
    def children(self) -> tuple[str, ...]:
        """Digests of the images that this one lists, in its manifest or in its own fields."""
        proven = self._manifest.children if self._manifest else ()
        listed = (item.digest for item in self._listed if item.is_manifest and item.digest)
        return tuple(dict.fromkeys((*proven, *listed)))

    @property
    def others(self) -> tuple[str, ...]:
        """Digests that an index lists as no image, in its manifest or in its own fields."""
        proven = self._manifest.others if self._manifest else ()
        listed = (item.digest for item in self._listed if not item.is_manifest and item.digest)
        return tuple(dict.fromkeys((*proven, *listed)))

    @property
    def blobs(self) -> dict[str, int]:
        """Bytes of its layers and its config, by digest; empty if the object lists none."""
        if self._manifest is not None:
            return {blob.digest: blob.size for blob in self._manifest.blobs}
        return {layer.name: layer.size for layer in self.docker_image_layers if layer.size}

    @property
    def claim(self) -> ImageClaim:
        return ImageClaim(
            self.digest,
            self.size,
            self.children,
            self._manifest is not None,
            tuple(self.contradictions),
            self.others,
            "" if self._manifest is not None else self.docker_image_reference,
        )

    @property
    def stored(self) -> StoredImage:
        return StoredImage(self.blobs, self.children)

    @property
    def condensed(self) -> "Image":
        """The image without the fields that its size and list were computed from."""
        return Image(
            metadata=self.metadata,
            docker_image_metadata=DockerImageMetadata(size=self.size),
            docker_image_manifests=[
                *(ImageManifest(digest=child) for child in self.children),
                *(ImageManifest(digest=one, media_type=_NO_IMAGE) for one in self.others),
                # An entry without a digest keeps an unknown size unknown.
                *([ImageManifest()] if self.size is None else []),
            ],
        )

    @property
    def contradictions(self) -> list[str]:
        """Contradictions within the object; empty for an honest one."""
        return [*self._size_contradictions(), *self._manifest_contradictions()]

    def _size_contradictions(self) -> list[str]:
        claimed, manifest = self.claimed_size, self._manifest
        layers = _largest(self._layers_total, manifest.layers_size if manifest else None)
        if claimed is None or layers is None or claimed >= layers:
            return []
        return [
            f"dockerImageMetadata.Size claims {claimed} bytes, "
            f"but its own layers add up to {layers} bytes"
        ]

    def _manifest_contradictions(self) -> list[str]:
        problem = self._read_manifest[1]
        if not problem or is_schema_1(self.docker_image_manifest):
            return []
        digest = digest_of(self.docker_image_manifest.encode(errors="replace"), self.digest)
        if digest != self.digest:
            problem = f"has digest {digest}, but the image is named {self.digest}"
        return [f"dockerImageManifest {problem.removeprefix('the manifest ')}"]

    @cached_property
    def _layers_total(self) -> int:
        return distinct_total((layer.name, layer.size) for layer in self.docker_image_layers)

    @property
    def _manifest(self) -> Manifest | None:
        return self._read_manifest[0]

    @cached_property
    def _read_manifest(self) -> tuple[Manifest | None, str]:
        """The embedded manifest if it has the image's digest and can be read; else the reason."""
        text, media_type = self.docker_image_manifest, self.docker_image_manifest_media_type
        if not text:
            return None, ""
        try:
            return parse_embedded(text, media_type, self.digest), ""
        except InvalidManifestError as error:
            return None, str(error)

    @property
    def _listed(self) -> list[Descriptor]:
        return [child.descriptor for child in self.docker_image_manifests]

    def _size_by_layers(self) -> int | None:
        if not self.docker_image_layers:
            return self._size_by_list() if self.docker_image_manifests else None
        total = self._layers_total
        return total + len(self.docker_image_config.encode(errors="replace")) if total else None

    def _size_by_list(self) -> int | None:
        """Bytes of layers that an index lists directly, as build caches do.

        None if it lists an image without a digest, whose size nobody can look up.
        """
        if any(item.is_manifest and not item.digest for item in self._listed):
            return None
        return distinct_total(
            (item.digest, item.size) for item in self._listed if not item.is_manifest
        )


def _largest(*sizes: int | None) -> int | None:
    return max((size for size in sizes if size is not None), default=None)
