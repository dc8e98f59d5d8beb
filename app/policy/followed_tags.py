"""Tags that follow a tag of another namespace: small when they are admitted, large later.

Users of the other namespace decide what such a tag points at. A write that brings a new image into
the stream is checked when it is admitted. But a client may resolve the reference by itself, without
such a write. So the reference itself is warned about, or refused.
"""

from collections.abc import Mapping
from itertools import islice

from app.model.limits import Limit, strictest
from app.policy.choices import FollowedTags
from app.policy.verdict import MAX_VIOLATIONS, Verdict

_ANNOTATION = "follows"
_MAX_NOTED = 20


def check(
    follows: Mapping[str, str], limit: Limit | None, *, namespace: str, mode: FollowedTags
) -> Verdict:
    """Check references to tags of other namespaces.

    `follows` maps `<stream>:<tag>` to the name of the followed tag. Without a limit on image sizes,
    a later image exceeds none.
    """
    verdict = Verdict()
    if limit is None or not follows:
        return verdict
    verdict.note(_ANNOTATION, _listed(follows))
    for tag, target in islice(follows.items(), MAX_VIOLATIONS):
        problem = (
            f"tag {tag} follows {target} of another namespace, which may point at a larger image "
            f"later; LimitRange {namespace}/{limit.source} allows {limit.max}"
        )
        if mode == "deny":
            verdict.exceed(
                "FollowsOtherNamespace",
                problem,
                "point the tag at an ImageStreamImage, which never changes",
                strictest(limit),
            )
        elif mode == "warn":
            verdict.warn(problem)
    if mode == "deny":
        verdict.more += max(len(follows) - MAX_VIOLATIONS, 0)
    return verdict


def _listed(follows: Mapping[str, str]) -> str:
    """The first references as one text, for the audit log."""
    shown = [f"{tag} -> {target}" for tag, target in islice(follows.items(), _MAX_NOTED)]
    more = len(follows) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
