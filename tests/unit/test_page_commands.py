"""The command beside a refusal sets the limit that would have allowed the push."""

import copy
import json
import shlex
from typing import Any, Literal

import jsonpatch
import pytest

from app.model.limits import (
    Limit,
    LimitRange,
    NamespaceLimits,
    namespace_limits,
    own_part_of_limit_range,
)
from app.page.commands import command
from app.policy import image_limits, image_quota
from app.policy.image_limits import SizedImage
from app.policy.image_weight import Weight
from app.policy.new_limit import NewLimit
from app.policy.verdict import Verdict
from app.quota.effective import EffectiveUsage
from app.quota.members import Claims, Members
from app.quota.usage import NamespaceUsage, StreamUsage
from tests.unit.stores import DOMAIN, limit, quota

PUSH = Members(frozenset({"app"}), frozenset({("app", "d3")}), frozenset({("app", "v3")}))


def counted(limits: NamespaceLimits) -> Verdict:
    """A push of one image and one tag to a stream that has two of each."""
    usage = NamespaceUsage()
    usage.put("app", StreamUsage({"v1": ("d1",), "v2": ("d2",)}))
    claims = Claims("team-a", PUSH)
    assessment = EffectiveUsage(usage).assess(claims)
    return image_quota.check(claims, assessment, limits, DOMAIN)


def sized(size: int, most: Limit) -> Verdict:
    return image_limits.check_size(
        SizedImage("image d", Weight(size, "d"), digest="d"),
        most,
        namespace="team-a",
        domain=DOMAIN,
        unknown_size="deny",
    )


def limit_range(name: str, resource: str, number: str, item_type: str) -> NewLimit:
    return NewLimit("LimitRange", "team-a", name, ((resource, number),), item_type)


@pytest.mark.parametrize(
    ("verdict", "remedy"),
    [
        pytest.param(
            counted(NamespaceLimits(quotas=(quota(images=2, image_tags=2),))),
            NewLimit(
                "ResourceQuota",
                "team-a",
                "q",
                (("alauda.io/images", "3"), ("alauda.io/image-tags", "3")),
            ),
            id="every count of a quota that is passed",
        ),
        pytest.param(
            counted(NamespaceLimits(stream_tags=limit("1"))),
            limit_range("limits", "alauda.io/image-tags", "3", "alauda.io/ImageStream"),
            id="tags of a stream",
        ),
        pytest.param(
            sized(2**30 + 1, limit("1Gi")),
            limit_range("limits", "storage", "1025Mi", "alauda.io/Image"),
            id="size, rounded up",
        ),
        pytest.param(
            sized(2 * 2**30, limit("1Gi")),
            limit_range("limits", "storage", "2048Mi", "alauda.io/Image"),
            id="size that fits exactly",
        ),
    ],
)
def test_violation_names_the_limit_that_would_allow_it(verdict: Verdict, remedy: NewLimit) -> None:
    assert [found.remedy for found in verdict.violations] == [remedy]


def test_quota_is_patched() -> None:
    numbers = (("alauda.io/images", "21"), ("alauda.io/image-tags", "40"))
    assert command(NewLimit("ResourceQuota", "team-a", "images", numbers)) == (
        "kubectl -n team-a patch resourcequota images --type merge -p "
        """'{"spec":{"hard":{"alauda.io/images":"21","alauda.io/image-tags":"40"}}}'"""
    )


STORED: dict[str, Any] = {
    "metadata": {"name": "limits", "namespace": "team-a"},
    "spec": {
        "limits": [
            {"type": "Container", "max": {"storage": "5Gi"}},
            {"type": "alauda.io/Image", "max": {"storage": "1Gi"}},
            {"type": "alauda.io/ImageStream", "min": {"alauda.io/images": "1"}},
            {"type": "alauda.io/ImageStream", "max": {"alauda.io/images": "2"}},
        ]
    },
}


@pytest.mark.parametrize(
    "reduced", [False, True], ids=["as in a folder", "as the service keeps it"]
)
def test_limit_range_keeps_everything_but_the_number(reduced: bool) -> None:
    content = own_part_of_limit_range(DOMAIN, STORED) if reduced else STORED
    limits = namespace_limits(DOMAIN, [LimitRange.model_validate(content)], [])
    assert limits.image_size is not None
    changed = copy.deepcopy(STORED)
    for verdict in (sized(2**30 + 1, limits.image_size), counted(limits)):
        [violation] = verdict.violations
        assert violation.remedy is not None
        *start, patch = shlex.split(command(violation.remedy))
        assert start == ["kubectl", "-n", "team-a", "patch", "limitrange", "limits",
                         "--type", "json", "-p"]  # fmt: skip
        changed = jsonpatch.apply_patch(changed, patch)

    expected = copy.deepcopy(STORED)
    expected["spec"]["limits"][1]["max"] = {"storage": "1025Mi"}
    expected["spec"]["limits"][3]["max"] = {"alauda.io/images": "3"}
    assert changed == expected


def test_a_list_that_has_changed_is_left_alone() -> None:
    *_, patch = shlex.split(command(limit_range("limits", "storage", "2Gi", "alauda.io/Image")))
    with pytest.raises(jsonpatch.JsonPatchTestFailed):
        jsonpatch.apply_patch(STORED, patch)


@pytest.mark.parametrize("kind", ["LimitRange", "ResourceQuota"])
def test_names_cannot_run_commands(kind: Literal["LimitRange", "ResourceQuota"]) -> None:
    hostile = "$(reboot)'; reboot #"
    words = shlex.split(command(NewLimit(kind, hostile, hostile, ((hostile, "1"),), hostile)))

    assert words[:6] == ["kubectl", "-n", hostile, "patch", kind.lower(), hostile]
    assert len(words) == 10
    assert json.loads(words[-1])
