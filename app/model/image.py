"""Images, and how large they are.

Shapes: `image.alauda.io/v1` Image; its size is the distinct layers plus the config, in bytes.
"""

import hashlib
import json
from functools import cached_property
from typing import Annotated, Any

from pydantic import Field

from app.model.base import KubeModel, KubeObject

_SCHEMA_1 = frozenset(
    {
        "application/vnd.docker.distribution.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
    }
)

ByteCount = Annotated[int, Field(ge=0, le=2**63 - 1)]


class ImageLayer(KubeModel):
    name: str = ""
    size: ByteCount = 0
    media_type: str = ""


class DockerImageMetadata(KubeModel):
    size: ByteCount | None = Field(default=None, alias="Size")


class Descriptor(KubeModel):
    digest: str = ""
    size: ByteCount = 0
    media_type: str = ""


class ManifestContent(KubeModel):
    """What counts of a manifest: an image has a config and layers, an index neither.

    `blobs` are the layers of an OCI artifact manifest.
    """

    config: Descriptor | None = None
    layers: list[Descriptor] = Field(default_factory=list)
    blobs: list[Descriptor] = Field(default_factory=list)
    manifests: list[Descriptor] = Field(default_factory=list)

    @property
    def stored(self) -> list[Descriptor]:
        """The blobs that a registry stores for this manifest; none for an index."""
        return [*self.layers, *self.blobs, *([self.config] if self.config else [])]

    @property
    def size(self) -> int:
        """Bytes of the distinct blobs. An index counts nothing: its children are pushed first."""
        return _distinct_total([(blob.digest, blob.size) for blob in self.stored])

    @property
    def layers_size(self) -> int:
        """The same without the config."""
        layers = [*self.layers, *self.blobs]
        return _distinct_total([(layer.digest, layer.size) for layer in layers])


class ImageManifest(KubeModel):
    """An entry of `dockerImageManifests`: one child of an index."""

    digest: str = ""
    manifest_size: ByteCount = 0
    media_type: str = ""


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
        manifest = self._manifest
        return _largest(self._size_by_layers(), manifest.size if manifest else None)

    @property
    def size(self) -> int | None:
        """Bytes; the larger of claim and measure, so that no claim makes an image smaller."""
        return _largest(self.claimed_size, self.measured_size)

    @property
    def is_proven(self) -> bool:
        """Whether the size follows from the digest: a manifest of that digest is embedded."""
        return self._manifest is not None and not self._manifest_contradictions()

    @property
    def condensed(self) -> "Image":
        """The same name and size, without all that they follow from."""
        return Image(
            metadata=self.metadata, docker_image_metadata=DockerImageMetadata(size=self.size)
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
        if not self.docker_image_manifest or self._is_schema_1:
            return []
        digest = digest_of(self.docker_image_manifest.encode(errors="replace"), self.digest)
        if digest == self.digest:
            return []
        return [f"dockerImageManifest has digest {digest}, but the image is named {self.digest}"]

    @property
    def _is_schema_1(self) -> bool:
        """Whether the digest is that of the manifest without its signatures, not of the text."""
        return self.docker_image_manifest_media_type in _SCHEMA_1

    @property
    def _layers_total(self) -> int:
        return _distinct_total([(layer.name, layer.size) for layer in self.docker_image_layers])

    @cached_property
    def _manifest(self) -> ManifestContent | None:
        return read_manifest(self.docker_image_manifest)

    def _size_by_layers(self) -> int | None:
        if not self.docker_image_layers:
            return 0 if self.docker_image_manifests else None
        total = self._layers_total
        return total + len(self.docker_image_config.encode(errors="replace")) if total else None


def digest_of(content: bytes, expected: str = "") -> str:
    """The digest of a manifest's bytes, by the algorithm of the digest that it should have."""
    if expected.startswith("sha512:"):
        return "sha512:" + hashlib.sha512(content).hexdigest()
    return "sha256:" + hashlib.sha256(content).hexdigest()


def read_manifest(text: str) -> ManifestContent | None:
    """None for text that is no schema 2 or OCI manifest."""
    if not text:
        return None
    try:
        content: Any = json.loads(text)
        manifest = ManifestContent.model_validate(content)
    except (ValueError, RecursionError):
        return None
    complete = manifest.stored or manifest.model_fields_set & {"manifests", "blobs"}
    return manifest if complete else None


def _largest(*sizes: int | None) -> int | None:
    return max((size for size in sizes if size is not None), default=None)


def _distinct_total(blobs: list[tuple[str, int]]) -> int:
    """A blob that is listed twice is stored once; one without a name cannot be told apart."""
    named: dict[str, int] = {}
    total = 0
    for name, size in blobs:
        if name:
            named[name] = max(size, named.get(name, 0))
        else:
            total += size
    return total + sum(named.values())
