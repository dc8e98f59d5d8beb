"""The limit that would have allowed a refused request."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class NewLimit:
    """The lowest limits with which one object would allow the request."""

    kind: Literal["LimitRange", "ResourceQuota"]
    namespace: str
    name: str
    numbers: tuple[tuple[str, str], ...]
    """Resource names and quantities, such as `("alauda.io/images", "21")`."""
    item_type: str = ""
    """The `type` of the LimitRange item, such as `alauda.io/Image`."""
    position: int = 0
    """The place of that item in the list of the LimitRange."""


def storage_for(size: int) -> str:
    """A number of bytes, rounded up to whole Mi."""
    return f"{-(-size // 2**20)}Mi"
