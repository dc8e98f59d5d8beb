"""Images, and what their objects say of how large they are.

Shapes: `image.alauda.io/v1` Image; its size is the distinct layers plus the config, in bytes.
"""

from collections.abc import Iterable
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

ByteCount = Annotated[int, Field(ge=0, le=MAX_SIZE)]


class ImageLayer(KubeModel):
    name: str = ""
    size: ByteCount = 0
    media_type: str = ""


class DockerImageMetadata(KubeModel):
    size: ByteCount | None = Field(default=None, alias="Size")


@dataclass(frozen=True, slots=True)
class ImageClaim:
    """What one source says of an image: a request, a stored Image, or the registry."""

    digest: str
    size: int | None = None
    """Bytes of its own layers and config; None if the source does not say."""
    children: tuple[str, ...] = ()
    """Digests of the images that it lists, if it is an index."""
    proven: bool = False
    """Whether this follows from bytes whose digest was compared; all else is somebody's word."""
    contradictions: tuple[str, ...] = ()
    """Where the source contradicts itself; empty for an honest one."""

    @classmethod
    def of_manifest(cls, manifest: Manifest) -> "ImageClaim":
        return cls(manifest.digest, manifest.size, manifest.children, proven=True)

    @classmethod
    def merged(cls, digest: str, claims: Iterable["ImageClaim"]) -> "ImageClaim":
        """What several sources say together; the larger size counts, so that no word makes an
        image smaller."""
        found = list(claims)
        return cls(
            digest,
            _largest(*(claim.size for claim in found)),
            tuple(dict.fromkeys(child for claim in found for child in claim.children)),
            any(claim.proven for claim in found),
            tuple(problem for claim in found for problem in claim.contradictions),
        )


class ImageManifest(KubeModel):
    """An entry of `dockerImageManifests`: one child of an index."""

    digest: str = ""
    manifest_size: ByteCount = 0
    media_type: str = ""

    @property
    def descriptor(self) -> Descriptor:
        return Descriptor(self.digest, self.manifest_size, self.media_type)


class Image(KubeObject):
    """An Image, cluster-scoped or inside an ImageStreamMapping; its name is its digest."""

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
        """Bytes, as `dockerImageMetadata.Size` claims; zero is what an unset Size looks like."""
        return self.docker_image_metadata.size or None

    @property
    def measured_size(self) -> int | None:
        """Bytes by the object's own layers and config, and by its manifest, whichever is more.

        None if the object lists neither, or layers that all lack a size.
        """
        return _largest(self._size_by_layers(), self._manifest.size if self._manifest else None)

    @property
    def size(self) -> int | None:
        """Bytes; the larger of claim and measure, so that no claim makes an image smaller."""
        return _largest(self.claimed_size, self.measured_size)

    @property
    def children(self) -> tuple[str, ...]:
        """Digests of the images that this one lists, by its manifest and by its own word."""
        proven = self._manifest.children if self._manifest else ()
        listed = (item.digest for item in self._listed if item.is_manifest and item.digest)
        return tuple(dict.fromkeys((*proven, *listed)))

    @property
    def claim(self) -> ImageClaim:
        return ImageClaim(
            self.digest,
            self.size,
            self.children,
            self._manifest is not None,
            tuple(self.contradictions),
        )

    @property
    def condensed(self) -> "Image":
        """The same name, size and children, without all that they follow from."""
        return Image(
            metadata=self.metadata,
            docker_image_metadata=DockerImageMetadata(size=self.size),
            docker_image_manifests=[ImageManifest(digest=child) for child in self.children],
        )

    @property
    def contradictions(self) -> list[str]:
        """Where this object contradicts itself; empty for an honest one."""
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
        """The embedded manifest, if the image is named after it and it can be read; else why
        not."""
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

    def _size_by_list(self) -> int:
        """An index may list layers directly, as build caches do: they count as what they are."""
        return distinct_total(
            (item.digest, item.size) for item in self._listed if not item.is_manifest
        )


def _largest(*sizes: int | None) -> int | None:
    return max((size for size in sizes if size is not None), default=None)
