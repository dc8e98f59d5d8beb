"""The change that a request would make: the members that it claims and the images that it brings.

There is one function for each kind of `image.alauda.io/v1`. It takes a parsed object.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from app.admission.references import (
    References,
    Target,
    label_of,
    parse_pull_spec,
    require_few,
)
from app.model.image import ImageClaim
from app.model.stream import (
    ImageStream,
    ImageStreamImport,
    ImageStreamMapping,
    ImageStreamTag,
    ImageTag,
    ObjectReference,
    TagReference,
)
from app.quota.members import Claims, Members
from app.quota.usage import StreamUsage

_BULK_IMPORT = 50
"""The number of tags of one repository that the Image API imports by default."""


@dataclass(frozen=True)
class IncomingImage:
    """An image that the request brings into the namespace."""

    label: str
    digest: str | None
    claim: ImageClaim | None = None
    """The request's own statement about the image, if there is one."""
    may_be_unknown: bool = False
    """True if the size cannot be known before the import."""
    repository: str = ""
    """The repository of the internal registry that holds the image, if there is one."""
    expected_in: str = ""
    """The ImageStream that a reference names, if it lacks the image."""
    hidden: bool = False
    """Whether the user may not see the image's namespace. Then its size is not looked up."""


@dataclass
class Change:
    claims: Claims
    images: list[IncomingImage] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """Missing fields; the request cannot be counted without them."""
    follows: dict[str, str] = field(default_factory=dict)
    """`<stream>:<tag>` and the tag of another namespace that it follows."""


def of_mapping(mapping: ImageStreamMapping, namespace: str) -> Change:
    """A push: one image under one tag. The Image API answers 404 if the stream is missing."""
    tag = mapping.tag or "latest"
    change = of_push(namespace, mapping.metadata.name, tag, mapping.image.claim)
    claimed = change.claims.adds
    change.claims = Claims(namespace, Members(images=claimed.images, tags=claimed.tags))
    return change


def of_push(namespace: str, stream: str, tag: str, image: ImageClaim) -> Change:
    """A push: one image under one tag, and the stream if it does not exist."""
    pushed = Members(
        frozenset({stream} if stream else ()),
        frozenset({(stream, image.digest)} if image.digest else ()),
        frozenset({(stream, tag)} if tag else ()),
    )
    problems = []
    if not stream:
        problems.append("metadata.name: the name of the ImageStream is required")
    if not image.digest:
        problems.append("image.metadata.name: the digest of the image is required")
    of_tag = f" of tag {stream}:{tag}" if tag else ""
    incoming = IncomingImage(
        (f"image {image.digest}" if image.digest else "the image") + of_tag,
        image.digest or None,
        image,
        repository=f"{namespace}/{stream}",
    )
    return Change(Claims(namespace, pushed), [incoming], problems)


def of_stream(
    stream: ImageStream,
    old: ImageStream | None,
    namespace: str,
    references: References,
    *,
    status: bool = False,
) -> Change:
    """A whole stream, spec and status. Removed members make room for added ones.

    `status`: the request is for the subresource, which leaves the spec as it is. Any other
    update leaves the status as it is, whatever the object says.
    """
    name = stream.metadata.name or f"{stream.metadata.generate_name}*{stream.metadata.uid}"
    before = StreamUsage.of(old).members(name) if old else Members()
    after = StreamUsage.of(stream).members(name)
    known = {tag.name: tag for tag in old.spec.tags} if old else {}
    change = _of_references(name, stream.spec.tags, namespace, references, known)
    # An update is stored only if the object has not changed, so its present members need no claim.
    adds = (after | change.claims.adds) - before
    stored = {digest for _, digest in before.images}
    # The status has the images of the spec already, so that each image is named once.
    stored.update(image.digest for image in change.images if image.digest)
    change.images += [
        IncomingImage(f"image {digest} of ImageStream {name}", digest, may_be_unknown=True)
        for _, digest in sorted(after.images)
        if digest not in stored
    ]
    kept = _kept(name, old, status=status)
    require_few(len(change.images))
    change.claims = Claims(namespace, adds, before - after - adds - kept)
    return change


def _kept(name: str, old: ImageStream | None, *, status: bool) -> Members:
    """The part that an update cannot change: the spec for `status`, else the status."""
    if old is None:
        return Members()
    part = ImageStream(spec=old.spec) if status else ImageStream(status=old.status)
    return StreamUsage.of(part).members(name)


def of_stream_tag(
    tag: ImageStreamTag | ImageTag,
    old: ImageStreamTag | ImageTag | None,
    namespace: str,
    references: References,
) -> Change:
    """One tag, named `<stream>:<tag>`. It brings an image if its target changes."""
    stream, colon, name = tag.metadata.name.partition(":")
    if not (stream and colon and name):
        problem = f"metadata.name: {tag.metadata.name!r} is not of the form <stream>:<tag>"
        return Change(Claims(namespace), problems=[problem])
    reference = _reference_of(tag).model_copy(update={"name": name})
    known = {name: _reference_of(old)} if old else {}
    return _of_references(stream, [reference], namespace, references, known)


def of_import(
    request: ImageStreamImport, namespace: str, references: References, *, uid: str
) -> Change:
    """Every tag that an import names. An import with `import: false` changes nothing.

    `uid` identifies the request: two imports of one source may bring two images.
    """
    if not request.spec.imports:
        return Change(Claims(namespace))
    stream = request.metadata.name
    tags, digests, named = set[str](), set[str](), []
    for number, item in enumerate(request.spec.images):
        spec = parse_pull_spec(item.source.name)
        tag = item.to.name if item.to else spec.tag
        if not tag:
            continue  # Nothing is stored without a tag.
        whole = item.import_policy.import_mode == "PreserveOriginal"
        tags.add(tag)
        digests.add(spec.digest if whole and spec.digest else f"unknown-{uid}-{number}")
        named.append(TagReference(name=tag).model_copy(update={"source": item.source}))
    change = _of_references(stream, named, namespace, references, known={})
    if not stream:
        change.problems.append("metadata.name: the name of the ImageStream is required")
    if request.spec.repository is not None:
        more = {f"unknown-{uid}-of-repository-{number}" for number in range(_BULK_IMPORT)}
        tags, digests = tags | more, digests | more
        change.images += _of_repository(stream, request.spec.repository.source, references)
    change.claims = Claims(
        namespace,
        Members(
            frozenset({stream} if stream else ()),
            frozenset((stream, digest) for digest in digests),
            frozenset((stream, tag) for tag in tags),
        ),
    )
    return change


def _of_repository(
    stream: str, source: ObjectReference, references: References
) -> list[IncomingImage]:
    """The images of a whole repository, or one image of unknown size."""
    known = references.repository(source)
    if not known:
        label = f"the images of {source.kind} {source.name}"
        return [IncomingImage(label, None, may_be_unknown=True)]
    return [_incoming(stream, tag, target) for tag, target in known.items()]


def _reference_of(tag: ImageStreamTag | ImageTag) -> TagReference:
    reference = tag.spec if isinstance(tag, ImageTag) else tag.tag
    return reference or TagReference()


def _of_references(
    stream: str,
    tags: Iterable[TagReference],
    namespace: str,
    references: References,
    known: Mapping[str, TagReference],
) -> Change:
    """The tags of a spec and the images that they bring.

    `known`: the tags before an update, by name. A tag with an unchanged target brings nothing,
    unless it is followed again. Then it brings the present image of its target. The image of a pull
    spec is not claimed: an import stores it, which claims it.
    """
    digests: dict[str, str] = {}
    images: list[IncomingImage] = []
    follows: dict[str, str] = {}
    followed = 0
    for tag in tags:
        digests[tag.name] = ""
        before = known.get(tag.name, TagReference())
        if tag.source is not None and tag.source.is_tag_outside(namespace):
            follows[f"{stream}:{tag.name}"] = label_of(tag.source, namespace, stream)
        if tag.source is None or not tag.brings_image or not tag.is_followed_again(before):
            continue
        followed += 1
        require_few(followed)
        target = references.target(tag.source, namespace, stream)
        if not tag.is_imported:
            digests[tag.name] = target.digest or ""
        if not (tag.points_like(before) and references.holds(namespace, stream, target.digest)):
            images.append(_incoming(stream, tag.name, target))
    return Change(_claims(namespace, stream, digests), images, follows=follows)


def _incoming(stream: str, tag: str, target: Target) -> IncomingImage:
    # A tag that follows a missing tag brings nothing now. The image that it brings
    # later is written by the Image API and passes admission as an update of the stream's status.
    image = f"image {target.digest}" if target.digest else "the image"
    return IncomingImage(
        f"{image} of tag {stream}:{tag}, from {target.label}",
        target.digest,
        may_be_unknown=target.external or target.digest is None,
        repository=target.repository,
        expected_in=target.expected_in,
        hidden=target.hidden,
    )


def _claims(namespace: str, stream: str, digests: dict[str, str]) -> Claims:
    """The members of a stream: its name, its tags and their known digests."""
    return Claims(
        namespace,
        Members(
            frozenset({stream}) if stream else frozenset(),
            frozenset((stream, digest) for digest in digests.values() if digest),
            frozenset((stream, tag) for tag in digests if tag),
        ),
    )
