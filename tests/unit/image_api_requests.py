"""Random requests to the Image API, with the result that it stores."""

import copy
import random

from tests.unit.image_api_model import (
    DIGESTS,
    SIZES,
    SOURCE,
    STREAMS,
    TAGS,
    Json,
    Limit,
    Namespace,
    Request,
    Stream,
)


class World:
    """Streams of two namespaces, and requests for one of them in random order."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.streams: Namespace = {}
        self.sources: Namespace = {
            name: Stream(status={tag: [self._digest()] for tag in TAGS}) for name in STREAMS[:2]
        }
        self.limits = [self._limit() for _ in range(self.random.randint(1, 6))]
        self._serial = 0

    def _limit(self) -> Limit:
        pick = self.random.choice
        what = pick(["storage", "imagestreams", "images", "image-tags", "images", "image-tags"])
        number = pick([700, 1000, 1024, 1400]) if what == "storage" else self.random.randint(0, 5)
        of_stream = what in ("images", "image-tags") and self.random.random() < 0.5
        return Limit(what, number, of_stream, pick(["enforce", "enforce", "warn", "audit"]))

    def change_limits(self) -> None:
        """Limits are deleted, created, raised and lowered, also below the present use."""
        self.limits = [limit for limit in self.limits if self.random.random() < 0.8]
        for limit in self.limits:
            if limit.what != "storage" and self.random.random() < 0.4:
                limit.number = self.random.randint(0, 5)
        if self.random.random() < 0.7:
            self.limits.append(self._limit())

    def request(self) -> Request:
        makers = (
            self._mapping, self._mapping, self._create, self._update, self._update,
            self._status, self._tag, self._tag, self._import,
        )  # fmt: skip
        while True:
            request = self.random.choice(makers)()
            if request is not None:
                return request

    def change_by_others(self) -> None:
        """Deletions, which no webhook reviews, and pushes into the other namespace."""
        for stream in self.sources.values():
            stream.add(self.random.choice(TAGS), self._digest())
        for name in list(self.streams):
            if self.random.random() < 0.2:
                del self.streams[name]
            elif self.streams[name].tags and self.random.random() < 0.4:
                tag = self.random.choice(sorted(self.streams[name].tags))
                self.streams[name].spec.pop(tag, None)
                self.streams[name].status.pop(tag, None)

    def _mapping(self) -> Request | None:
        """A push. If the stream is missing, nothing is stored."""
        name, tag, digest = self.random.choice(STREAMS), self._tag_name(), self._digest()
        after = copy.deepcopy(self.streams)
        after.setdefault(name, Stream()).add(tag or "latest", digest)
        image: Json = {"metadata": {"name": digest}}
        if digest in SIZES and self.random.random() < 0.5:
            image["dockerImageMetadata"] = {"Size": self.random.choice([1, SIZES[digest]])}
        content = {"metadata": {"name": name}, "image": image, "tag": tag}
        stored = after if name in self.streams else self.streams
        return Request("ImageStreamMapping", content, None, after, stored, {digest})

    def _create(self) -> Request | None:
        missing = [name for name in STREAMS if name not in self.streams]
        if not missing:
            return None
        name, new = self.random.choice(missing), Stream()
        new.spec = self._references()
        brought = self._follow(new, Stream(), name)
        after = {**copy.deepcopy(self.streams), name: new}
        return Request("ImageStream", new.content(name), None, after, after, brought)

    def _update(self) -> Request | None:
        """Other `spec.tags`. A tag that leaves the spec stays in the status."""
        if not self.streams:
            return None
        name = self._existing()
        old = self.streams[name]
        new = copy.deepcopy(old)
        kept = {tag: ref for tag, ref in old.spec.items() if self.random.random() < 0.7}
        new.spec = kept | self._references()
        brought = self._follow(new, old, name)
        after = {**copy.deepcopy(self.streams), name: new}
        return Request("ImageStream", new.content(name), old.content(name), after, after, brought)

    def _status(self) -> Request | None:
        """Another status with the same spec."""
        if not self.streams:
            return None
        name = self._existing()
        old = self.streams[name]
        new = copy.deepcopy(old)
        new.status = {tag: list(h) for tag, h in old.status.items() if self.random.random() < 0.7}
        for tag in self.random.sample(TAGS, self.random.randint(0, 2)):
            new.add(tag, self._digest())
        after = {**copy.deepcopy(self.streams), name: new}
        content = new.content(name)
        brought = (new.images - old.images) & SIZES.keys()
        return Request("ImageStream", content, old.content(name), after, after, brought, "status")

    def _tag(self) -> Request | None:
        name, tag = self.random.choice(STREAMS), self.random.choice(TAGS)
        kind = self.random.choice(["ImageStreamTag", "ImageTag"])
        field_ = "tag" if kind == "ImageStreamTag" else "spec"
        reference = self._reference()
        old = self.streams.get(name)
        new = copy.deepcopy(old) if old else Stream()
        before = new.spec.get(tag)
        if before is not None and self.random.random() < 0.5:
            more: list[Json] = [
                {"annotations": {"a": "b"}},
                {"generation": self.random.randint(1, 3)},
                {"importPolicy": {"importMode": "PreserveOriginal"}},
            ]
            reference = {**before, **self.random.choice(more)}
        new.spec[tag] = reference
        brought = self._follow(new, old or Stream(), name, only=tag)
        after = {**copy.deepcopy(self.streams), name: new}
        metadata = {"metadata": {"name": f"{name}:{tag}"}}
        content = {**metadata, field_: {"name": tag, **reference}}
        made_up = {**metadata, field_: {"name": tag, **before} if before is not None else None}
        return Request(kind, content, made_up if old else None, after, after, brought)

    def _import(self) -> Request | None:
        """Images of another registry. They are known in advance only if named by digest."""
        sized: set[str] = set()
        name = self.random.choice(STREAMS)
        after, stored = copy.deepcopy(self.streams), copy.deepcopy(self.streams)
        items = []
        for tag in self.random.sample(TAGS, self.random.randint(1, 3)):
            digest = self._digest()
            whole = self.random.random() < 0.5
            source = f"quay.io/team/app@{digest}" if whole else f"quay.io/team/app:{tag}"
            policy = {"importMode": "PreserveOriginal"} if whole else {}
            items.append({"from": {"kind": "DockerImage", "name": source}, "to": {"name": tag}})
            items[-1]["importPolicy"] = policy
            sized |= {digest} & SIZES.keys() if whole else set()
            self._serial += 1
            may_come = digest if whole else f"sha256:f{self._serial:063d}"
            for namespace, brought in ((after, may_come), (stored, digest)):
                stream = namespace.setdefault(name, Stream())
                stream.spec[tag] = {"from": {"kind": "DockerImage", "name": source}}
                stream.add(tag, brought)
        content = {"metadata": {"name": name}, "spec": {"import": True, "images": items}}
        return Request("ImageStreamImport", content, None, after, stored, sized)

    def _follow(self, new: Stream, old: Stream, name: str, only: str = "") -> set[str]:
        """Store the images of changed tags. Returns the images whose size is checked."""
        brought = set()
        for tag, reference in new.spec.items():
            before = old.spec.get(tag, {})
            changed = _pointer(reference) != _pointer(before)
            again = reference.get("generation") not in (None, before.get("generation"))
            again = again or _mode(reference) != _mode(before)
            if only not in ("", tag) or "from" not in reference or not (changed or again):
                continue
            is_imported = reference["from"]["kind"] == "DockerImage"
            if is_imported and reference.get("reference"):
                continue
            digest = self._target(reference["from"], name)
            # The size of an image of another registry counts only if it is known.
            counts = digest in SIZES if is_imported else bool(digest)
            if counts and (changed or digest not in old.images):
                brought.add(digest)
            if digest and not is_imported:  # The import of the tag comes later.
                new.add(tag, digest)
        return brought

    def _target(self, source: Json, home: str) -> str:
        if source["kind"] in ("ImageStreamImage", "DockerImage"):
            return str(source["name"]).partition("@")[2]
        streams = self.sources if source.get("namespace") == SOURCE else self.streams
        stream, _, tag = source["name"].rpartition(":")
        history = streams.get(stream or home, Stream()).status.get(tag, [])
        return history[0] if history else ""

    def _references(self) -> dict[str, Json]:
        tags = self.random.sample(TAGS, self.random.randint(0, 2))
        return {tag: self._reference() for tag in tags}

    def _reference(self) -> Json:
        pick = self.random.choice
        more: Json = pick(
            [
                {},
                {"generation": 1},
                {"generation": 2},
                {"reference": True},
                {"importPolicy": {"importMode": "PreserveOriginal"}},
                {"importPolicy": {"importMode": "Legacy", "scheduled": True}},
            ]
        )
        source: Json = pick(
            [
                {"kind": "ImageStreamTag", "name": f"{pick(STREAMS)}:{pick(TAGS)}"},
                {"kind": "ImageStreamTag", "name": pick(TAGS)},
                {
                    "kind": "ImageStreamTag",
                    "name": f"{pick(STREAMS)}:{pick(TAGS)}",
                    "namespace": SOURCE,
                },
                {"kind": "ImageStreamImage", "name": f"{pick(STREAMS)}@{self._digest()}"},
                {"kind": "DockerImage", "name": "quay.io/team/app:v1"},
                {"kind": "DockerImage", "name": f"quay.io/team/app@{self._digest()}"},
            ]
        )
        return {"from": source, **more} if self.random.random() < 0.9 else {}

    def _existing(self) -> str:
        return self.random.choice(sorted(self.streams))

    def _digest(self) -> str:
        return self.random.choice(DIGESTS)

    def _tag_name(self) -> str:
        return self.random.choice([*TAGS, ""])


def _pointer(reference: Json) -> tuple[Json | None, bool]:
    return reference.get("from"), reference.get("reference", False)


def _mode(reference: Json) -> str:
    mode: str = reference.get("importPolicy", {}).get("importMode", "Legacy")
    return mode
