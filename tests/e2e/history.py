"""ImageStreams as JSON: their tags, and the history that the Image API writes for each."""

from datetime import UTC, datetime
from typing import Any

Json = dict[str, Any]
FOLLOWED = ("ImageStreamTag", "ImageStreamImage")


def digest_of(image: Json) -> str:
    digest: str = image["metadata"]["name"]
    return digest


def add_image(stream: Json, tag: str, image: Json) -> None:
    add_digest(stream, tag, digest_of(image), image.get("dockerImageReference", ""))


def add_digest(stream: Json, tag: str, digest: str, reference: str = "") -> None:
    """Make a digest the newest of a tag, unless it is already."""
    tags = stream.setdefault("status", {}).setdefault("tags", [])
    history = find_tag(tags, tag, "tag")
    if history is None:
        history = {"tag": tag, "items": []}
        tags.append(history)
    if history["items"] and history["items"][0]["image"] == digest:
        return
    item = {
        "created": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "dockerImageReference": reference,
        "generation": stream["metadata"].get("generation", 1),
        "image": digest,
    }
    history["items"].insert(0, item)


def find_tag(tags: list[Json], name: str, key: str = "name") -> Json | None:
    return next((tag for tag in tags if tag[key] == name), None)


def is_followed_again(tag: Json, before: Json | None) -> bool:
    """Whether the Image API resolves `from` of a tag again."""
    if tag.get("from", {}).get("kind") not in FOLLOWED:
        return False

    def seen(one: Json) -> tuple[Any, ...]:
        mode = one.get("importPolicy", {}).get("importMode", "Legacy")
        return one.get("from"), one.get("reference", False), one.get("generation"), mode

    return before is None or seen(tag) != seen(before)
