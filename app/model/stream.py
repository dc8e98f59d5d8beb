"""ImageStreams and the virtual kinds that write to them, in the shapes of `image.alauda.io/v1`."""

from pydantic import Field

from app.model.base import KubeModel, KubeObject
from app.model.image import Image


class ObjectReference(KubeModel):
    """`from` of a tag: an ImageStreamTag, an ImageStreamImage or a DockerImage."""

    kind: str = ""
    name: str = ""
    namespace: str = ""

    def is_tag_outside(self, namespace: str) -> bool:
        """Whether this is a tag of another namespace, where others decide what it points at."""
        return self.kind == "ImageStreamTag" and self.namespace not in ("", namespace)


class ImportPolicy(KubeModel):
    import_mode: str = ""
    """`PreserveOriginal` stores a manifest list as it is; any other mode the one of its images
    that is for linux/amd64."""


class TagReference(KubeModel):
    """An entry of `spec.tags`."""

    name: str = ""
    source: ObjectReference | None = Field(default=None, alias="from")
    reference: bool = False
    """True for a tag that is only a pointer: nothing is imported for it."""
    generation: int | None = None
    """Another one than before has the Image API follow `from` once more."""
    import_policy: ImportPolicy = Field(default_factory=ImportPolicy)

    @property
    def import_mode(self) -> str:
        return self.import_policy.import_mode or "Legacy"

    def points_like(self, other: "TagReference") -> bool:
        return (self.source, self.reference) == (other.source, other.reference)

    def is_followed_again(self, before: "TagReference") -> bool:
        """Whether an update has the Image API look at what `from` leads to now."""
        return (
            not self.points_like(before)
            or self.generation not in (None, before.generation)
            or self.import_mode != before.import_mode
        )

    @property
    def brings_image(self) -> bool:
        """Whether the Image API stores an image under the tag: that which a pull spec only
        points at is not, but an image of another stream is, pointer or not."""
        return self.source is not None and not (
            self.reference and self.source.kind == "DockerImage"
        )


class TagEvent(KubeModel):
    created: str = ""
    """RFC 3339."""
    image: str = ""
    docker_image_reference: str = ""


class TagHistory(KubeModel):
    """An entry of `status.tags`: what a tag has pointed at, newest first."""

    tag: str = ""
    items: list[TagEvent] = Field(default_factory=list)


class ImageStreamSpec(KubeModel):
    tags: list[TagReference] = Field(default_factory=list)


class ImageStreamStatus(KubeModel):
    tags: list[TagHistory] = Field(default_factory=list)


class ImageStream(KubeObject):
    spec: ImageStreamSpec = Field(default_factory=ImageStreamSpec)
    status: ImageStreamStatus = Field(default_factory=ImageStreamStatus)


class NamedTag(KubeModel):
    name: str = ""


class CountedStream(KubeModel):
    """What is counted of a stored ImageStream; nothing else of it is read."""

    class Spec(KubeModel):
        tags: list[NamedTag] = Field(default_factory=list)

    spec: Spec = Field(default_factory=Spec)
    status: ImageStreamStatus = Field(default_factory=ImageStreamStatus)


class ImageStreamMapping(KubeObject):
    """What a push ends with: `metadata.name` is the stream."""

    image: Image = Field(default_factory=Image)
    tag: str = ""


class ImageStreamTag(KubeObject):
    """`metadata.name` is `<stream>:<tag>`."""

    tag: TagReference | None = None
    image: Image | None = None


class ImageTag(KubeObject):
    """`metadata.name` is `<stream>:<tag>`."""

    spec: TagReference | None = None
    image: Image | None = None


class LocalReference(KubeModel):
    name: str = ""


class ImageImport(KubeModel):
    """An entry of `spec.images` of an ImageStreamImport."""

    source: ObjectReference = Field(default_factory=ObjectReference, alias="from")
    import_policy: ImportPolicy = Field(default_factory=ImportPolicy)
    to: LocalReference | None = None


class RepositoryImport(KubeModel):
    source: ObjectReference = Field(default_factory=ObjectReference, alias="from")


class ImageStreamImportSpec(KubeModel):
    imports: bool = Field(default=False, alias="import")
    repository: RepositoryImport | None = None
    images: list[ImageImport] = Field(default_factory=list)


class ImageStreamImport(KubeObject):
    spec: ImageStreamImportSpec = Field(default_factory=ImageStreamImportSpec)
