"""What a policy may be told to do; settings offer these values."""

from typing import Literal

UnknownSize = Literal["deny", "warn", "allow"]
"""With an image whose size no source knows."""
FollowedTags = Literal["deny", "warn", "allow"]
"""With a tag that follows a tag of another namespace."""
ReferenceChecks = Literal["warn", "deny", "off"]
"""With a Config that names an object that is missing or of no use."""
