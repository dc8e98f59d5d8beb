"""The choices that settings offer for single policies."""

from typing import Literal

UnknownSize = Literal["deny", "warn", "allow"]
"""For an image whose size no source knows."""
FollowedTags = Literal["deny", "warn", "allow"]
"""For a tag that follows a tag of another namespace."""
ReferenceChecks = Literal["warn", "deny", "off"]
"""For a Config that names a missing or unusable object."""
