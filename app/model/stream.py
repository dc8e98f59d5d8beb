"""ImageStreams and the virtual kinds that write to them, as in `image.alauda.io/v1`."""

from pydantic import Field
from typing_extensions import TypedDict

from app.model.base import KubeModel, KubeObject
from app.model.image import Image


class ObjectReference(KubeModel):
    """`from` of a tag: an ImageStreamTag, an ImageStreamImage or a DockerImage."""

    kind: str = ""
    name: str = ""
    namespace: str = ""

    def is_tag_outside(self, namespace: str) -> bool:
        """Whether this is a tag of another namespace, whose owners decide where it points."""
        return self.kind == "ImageStreamTag" and self.namespace not in ("", namespace)


class ImportPolicy(KubeModel):
    import_mode: str = ""
    """`PreserveOriginal` stores a manifest list as it is. Any other mode stores its image for
    linux/amd64."""


class TagReference(KubeModel):
    """An entry of `spec.tags`."""

    name: str = ""
    source: ObjectReference | None = Field(default=None, alias="from")
    reference: bool = False
    """Whether the tag is only a pointer. Then nothing is imported."""
    generation: int | None = None
    """If it changes, the Image API follows `from` again."""
    import_policy: ImportPolicy = Field(default_factory=ImportPolicy)

    @property
    def import_mode(self) -> str:
        return self.import_policy.import_mode or "Legacy"

    def points_like(self, other: "TagReference") -> bool:
        return (self.source, self.reference) == (other.source, other.reference)

    def is_followed_again(self, before: "TagReference") -> bool:
        """Whether an update makes the Image API follow `from` again."""
        return (
            not self.points_like(before)
            or self.generation not in (None, before.generation)
            or self.import_mode != before.import_mode
        )

    @property
    def is_imported(self) -> bool:
        """Whether the Image API imports the image later, with an ImageStreamImport."""
        return self.source is not None and self.source.kind == "DockerImage"

    @property
    def brings_image(self) -> bool:
        """Whether the Image API stores an image under the tag. It does for an image of another
        stream, but not for a pull spec that the tag only points to."""
        return self.source is not None and not (
            self.reference and self.source.kind == "DockerImage"
        )


class TagEvent(TypedDict, total=False):
    """An image that a tag has pointed at.

    A cluster has a million of them. pydantic makes a dictionary in a fifth of a model's time.
    """

    created: str | None
    """In RFC 3339."""
    image: str | None
    docker_image_reference: str | None


class TagHistory(TypedDict, total=False):
    """An entry of `status.tags`: the images of a tag, newest first."""

    tag: str | None
    items: list[TagEvent] | None


class ImageStreamSpec(KubeModel):
    tags: list[TagReference] = Field(default_factory=list)

    @property
    def tag_names(self) -> list[str]:
        return [tag.name for tag in self.tags if tag.name]


class ImageStreamStatus(KubeModel):
    tags: list[TagHistory] = Field(default_factory=list)

    @property
    def histories(self) -> dict[str, list[TagEvent]]:
        """The images of each tag that has any, newest first."""
        return {
            history.get("tag") or "": items
            for history in self.tags
            if (items := history.get("items"))
        }


class ImageStream(KubeObject):
    spec: ImageStreamSpec = Field(default_factory=ImageStreamSpec)
    status: ImageStreamStatus = Field(default_factory=ImageStreamStatus)


class NamedTag(TypedDict, total=False):
    name: str | None


class CountedStream(KubeModel):
    """The counted part of a stored ImageStream. No other field is read."""

    class Spec(KubeModel):
        tags: list[NamedTag] = Field(default_factory=list)

        @property
        def tag_names(self) -> list[str]:
            return [name for tag in self.tags if (name := tag.get("name"))]

    spec: Spec = Field(default_factory=Spec)
    status: ImageStreamStatus = Field(default_factory=ImageStreamStatus)


class ImageStreamMapping(KubeObject):
    """The object that ends a push. `metadata.name` is the stream."""

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
