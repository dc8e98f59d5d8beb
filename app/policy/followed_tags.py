"""Tags that follow a tag of another namespace: small when they are admitted, large later.

Whoever may push to the other namespace decides what such a tag points at. Each write that brings
a new image into the stream is measured when it is admitted; a reader that resolves the reference
by itself is not, so a reference like that is told of, and can be refused.
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
    """Judge references, `<stream>:<tag>` to the label of what it follows.

    Where no image size is limited there is nothing that a later image could pass.
    """
    verdict = Verdict()
    if limit is None or not follows:
        return verdict
    verdict.note(_ANNOTATION, _listed(follows))
    for tag, target in islice(follows.items(), MAX_VIOLATIONS):
        problem = (
            f"tag {tag} follows {target} of another namespace, and what that points at later is "
            f"not known now; LimitRange {namespace}/{limit.source} allows {limit.max}"
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
    """For the audit log, which is no place for thousands of tags."""
    shown = [f"{tag} -> {target}" for tag, target in islice(follows.items(), _MAX_NOTED)]
    more = len(follows) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
