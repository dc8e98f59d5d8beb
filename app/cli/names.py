"""Short forms of long names."""

from collections.abc import Sequence

_SHORT_DIGEST = len("sha256:") + 12
_RESOURCES = {"imagestreams": "streams", "images": "images", "image-tags": "tags"}


def digest(full: str) -> str:
    """Enough of a digest to recognise it."""
    return full[:_SHORT_DIGEST]


def resource(full: str) -> str:
    """`tags` for `alauda.io/image-tags`."""
    name = full.rpartition("/")[2]
    return _RESOURCES.get(name, name)


def some(names: Sequence[str], most: int) -> str:
    """The first `most` names, and the number of the others."""
    text = ", ".join(names[:most])
    more = len(names) - most
    return f"{text} and {more} more" if more > 0 else text
