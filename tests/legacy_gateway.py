"""A model of the legacy gateway, and pushes on which it and its replacement both decide."""

from dataclasses import dataclass

import re2
import yaml

from app.model.legacy import LegacyConfig, parse
from app.model.quantity import Quantity

CONFIG_MAP = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: image-registry-limit-config
  namespace: cpaas-system
data:
  rules: |
    - path: ^team-a/.+
      limit: {max_image_size: 100MB, tag_count_limit: 3}
    - path: ^team-b/big/.*
      limit: {max_image_size: 5GB, tag_count_limit: 2}
    - path: ^team-b/
      limit: {max_image_size: 500MB, tag_count_limit: 5}
    - path: ^shared-.*/
      limit: {max_image_size: 1.5GB, tag_count_limit: 4}
    - path: ^(red|blue)/[a-z]+$
      limit: {max_image_size: 10MB, tag_count_limit: 2}
    - path: ^infra/|^team-a/
      limit: {max_image_size: 3GB, tag_count_limit: 1}
    - path: ^closed/
      limit: {max_image_size: 0GB, tag_count_limit: 0}
    - path: mirror/
      limit: {max_image_size: 2GB, tag_count_limit: 6}
"""
NAMESPACES = (
    "team-a", "team-b", "team-ab", "shared-x", "shared-y", "red", "blue", "infra", "my-mirror",
    "closed", "other",
)  # fmt: skip


@dataclass(frozen=True)
class Push:
    """A push of an image under a tag that its repository does not have yet."""

    repository: str
    size: str
    """The size as a quantity of Kubernetes."""
    tags: int
    """The number of tags that the repository has already."""

    def __str__(self) -> str:
        return f"{self.repository} {self.size} with {self.tags} tags"

    @property
    def namespace(self) -> str:
        return self.repository.partition("/")[0]

    @property
    def stream(self) -> str:
        """An ImageStream has no slash in its name, so further components are joined by a dot."""
        return self.repository.partition("/")[2].replace("/", ".")

    @property
    def bytes(self) -> int:
        return Quantity(self.size).value


def config() -> LegacyConfig:
    return parse(yaml.safe_load(CONFIG_MAP)["data"])


def gateway_allows(push: Push) -> bool:
    """The first rule whose regex is found in the repository's name wins, defaults come last."""
    read = config()
    found = (rule.limits for rule in read.rules if re2.search(rule.path, push.repository))
    limits = next(found, read.limits)
    fits = Quantity.of_bytes(push.bytes) <= limits.max_image_size
    return fits and push.tags + 1 <= limits.tag_count_limit


# fmt: off
SAME = [
    # A rule that names the namespace: 100 MB, 3 tags.
    Push("team-a/app", "1", 0), Push("team-a/app", "100Mi", 2), Push("team-a/app", "104857601", 0),
    Push("team-a/app", "100Mi", 3), Push("team-a/app", "101Mi", 3), Push("team-a/app", "1Gi", 0),
    Push("team-a/x/y/z", "100Mi", 2), Push("team-a/x/y/z", "101Mi", 0), Push("team-a/a.b", "1", 3),
    # A namespace that a rule cuts through: what one part allows is allowed in the other, too.
    Push("team-b/app", "500Mi", 0), Push("team-b/app", "500Mi", 4), Push("team-b/app", "1", 5),
    Push("team-b/app", "6Gi", 0), Push("team-b/app", "5Gi", 5), Push("team-b/big/app", "5Gi", 0),
    Push("team-b/big/app", "5Gi", 1), Push("team-b/big/app", "6Gi", 0),
    Push("team-b/big/app", "1", 5), Push("team-b/big", "500Mi", 4), Push("team-b/big", "1", 5),
    # A namespace whose name begins like that of another: the defaults, 1 GB and 1000 tags.
    Push("team-ab/app", "1Gi", 0), Push("team-ab/app", "1", 999), Push("team-ab/app", "1", 1000),
    Push("team-ab/app", "101Mi", 5), Push("team-ab/team-a", "1Gi", 4),
    # A rule that spans namespaces: 1.5 GB, 4 tags.
    Push("shared-x/app", "1536Mi", 3), Push("shared-x/app", "1537Mi", 0),
    Push("shared-x/app", "1", 4), Push("shared-y/app", "1536Mi", 3), Push("shared-y/app", "1", 4),
    Push("shared-y/a/b", "1610612737", 0), Push("shared-y/a/b", "1610612736", 0),
    # A rule for letters only, so that the defaults apply beside it.
    Push("red/app", "10Mi", 0), Push("red/app", "10Mi", 1), Push("red/app", "3Gi", 0),
    Push("red/app", "10Mi", 1000), Push("red/app2", "1Gi", 0), Push("red/app2", "1", 999),
    Push("red/app2", "1", 1000), Push("red/a/b", "1Gi", 10), Push("blue/app", "10Mi", 1),
    Push("blue/app", "2049Mi", 0), Push("blue/app-1", "1Gi", 2), Push("blue/app-1", "1", 1000),
    # An alternative in the regex, of which the other branch is taken by an earlier rule.
    Push("infra/app", "3Gi", 0), Push("infra/app", "3073Mi", 0), Push("infra/app", "1", 1),
    Push("infra/team-a/app", "3Gi", 0), Push("infra/mirror/app", "1", 1),
    # A regex without an anchor: also the end of a longer namespace.
    Push("my-mirror/app", "2Gi", 0), Push("my-mirror/app", "2049Mi", 0),
    Push("my-mirror/app", "1", 5), Push("my-mirror/app", "1", 6),
    # Zero means zero.
    Push("closed/app", "1", 0), Push("closed/app", "1Gi", 5), Push("closed/a/b", "1", 0),
    # No rule.
    Push("other/app", "1", 0), Push("other/app", "1Gi", 0), Push("other/app", "1Gi", 999),
    Push("other/app", "1", 1000), Push("other/app", "2049Mi", 0), Push("other/mirror", "1Gi", 6),
    Push("other/mirror/app", "2Gi", 5), Push("other/mirror/app", "2049Mi", 0),
]
LOOSER = [
    # team-b/big/ had 5 GB and 2 tags, the rest of team-b 500 MB and 5 tags.
    Push("team-b/app", "501Mi", 0), Push("team-b/app", "5Gi", 4), Push("team-b/big/app", "1", 2),
    # red and blue: letters only had 10 MB and 2 tags, all else the defaults.
    Push("red/app", "11Mi", 0), Push("red/app", "1", 2), Push("blue/app", "1Gi", 999),
    # `mirror/` is found in other/mirror/app, with 2 GB and 6 tags; all else had the defaults.
    Push("other/app", "2Gi", 0), Push("other/mirror/app", "1", 6), Push("team-ab/app", "2Gi", 0),
]
# fmt: on
