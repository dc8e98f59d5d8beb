"""Counts against ResourceQuotas and stream limits: the decision and its message."""

import pytest

from app.model.limits import HardLimits, NamespaceLimits
from app.model.quantity import Quantity
from app.policy import image_quota
from app.quota.effective import EffectiveUsage
from app.quota.members import Claims, Members
from app.quota.usage import NamespaceUsage, StreamUsage
from tests.unit.stores import DOMAIN, limit, quota


def push(stream: str, tag: str, digest: str) -> Members:
    return Members(frozenset({stream}), frozenset({(stream, digest)}), frozenset({(stream, tag)}))


def stored() -> NamespaceUsage:
    """Two streams, three tags, two images."""
    usage = NamespaceUsage()
    usage.put("app", StreamUsage({"v1": ("d1",), "v2": ("d2",)}))
    usage.put("web", StreamUsage({"v1": ("d1",)}))
    return usage


@pytest.mark.parametrize(
    ("limits", "claims", "violations"),
    [
        pytest.param(
            NamespaceLimits(quotas=(quota(imagestreams=3, images=3, image_tags=4),)),
            Claims("ns", push("new", "v1", "d3")),
            [],
            id="up to the limit",
        ),
        pytest.param(
            NamespaceLimits(quotas=(quota(imagestreams=2, images=2, image_tags=3),)),
            Claims("ns", push("new", "v1", "d3")),
            [
                "exceeded quota: q, requested: alauda.io/imagestreams=1,alauda.io/images=1,"
                "alauda.io/image-tags=1, used: alauda.io/imagestreams=2,alauda.io/images=2,"
                "alauda.io/image-tags=3, limited: alauda.io/imagestreams=2,alauda.io/images=2,"
                "alauda.io/image-tags=3"
            ],
            id="every name that is passed",
        ),
        pytest.param(
            NamespaceLimits(quotas=(quota(image_tags=3), quota(image_tags=2), quota(images=9))),
            Claims("ns", push("app", "v3", "d1")),
            [
                "exceeded quota: q, requested: alauda.io/image-tags=1, "
                "used: alauda.io/image-tags=3, limited: alauda.io/image-tags=3",
                "exceeded quota: q, requested: alauda.io/image-tags=1, "
                "used: alauda.io/image-tags=3, limited: alauda.io/image-tags=2",
            ],
            id="every quota by itself",
        ),
        pytest.param(
            NamespaceLimits(quotas=(quota(images=2),)),
            Claims("ns", push("web", "v9", "d2")),
            [],
            id="an image of another stream is not new to the namespace",
        ),
        pytest.param(
            NamespaceLimits(stream_images=limit("1")),
            Claims("ns", push("web", "v9", "d2")),
            [
                "requested usage of alauda.io/images exceeds the maximum limit per "
                "alauda.io/ImageStream (2 > 1) in ImageStream ns/web, requested: 1, used: 1"
            ],
            id="but it is new to the stream",
        ),
        pytest.param(
            NamespaceLimits(stream_tags=limit("2")),
            Claims("ns", push("app", "v3", "d1")),
            [
                "requested usage of alauda.io/image-tags exceeds the maximum limit per "
                "alauda.io/ImageStream (3 > 2) in ImageStream ns/app, requested: 1, used: 2"
            ],
            id="one tag too many in a stream",
        ),
        pytest.param(
            NamespaceLimits(stream_tags=limit("0"), quotas=(quota(image_tags=0),)),
            Claims("ns", push("app", "v1", "d2")),
            [],
            id="nothing new passes far over the limit",
        ),
        pytest.param(
            NamespaceLimits(quotas=(quota(image_tags=1),)),
            Claims(
                "ns",
                Members(tags=frozenset({("app", "v3")})),
                Members(tags=frozenset({("app", "v1")})),
            ),
            [],
            id="a repair that swaps one for one passes over the limit",
        ),
        pytest.param(
            NamespaceLimits(quotas=(quota(image_tags=3),)),
            Claims(
                "ns",
                Members(tags=frozenset({("app", "v3"), ("app", "v4")})),
                Members(tags=frozenset({("app", "v1")})),
            ),
            [
                "exceeded quota: q, requested: alauda.io/image-tags=2, "
                "used: alauda.io/image-tags=3, limited: alauda.io/image-tags=3"
            ],
            id="a swap that grows does not",
        ),
        pytest.param(
            NamespaceLimits(quotas=(quota(images=2),)),
            Claims(
                "ns",
                Members(images=frozenset({("app", "d3")})),
                Members(images=frozenset({("app", "d1")})),
            ),
            [
                "exceeded quota: q, requested: alauda.io/images=1, used: alauda.io/images=2, "
                "limited: alauda.io/images=2"
            ],
            id="dropping an image that another stream keeps frees nothing",
        ),
        pytest.param(
            NamespaceLimits(quotas=(quota(images=2),)),
            Claims(
                "ns",
                Members(images=frozenset({("app", "d3")})),
                Members(images=frozenset({("app", "d2")})),
            ),
            [],
            id="dropping the last use of an image does",
        ),
        pytest.param(
            NamespaceLimits(stream_tags=limit("2500m")),
            Claims("ns", push("app", "v3", "d1")),
            [
                "requested usage of alauda.io/image-tags exceeds the maximum limit per "
                "alauda.io/ImageStream (3 > 2500m) in ImageStream ns/app, requested: 1, used: 2"
            ],
            id="half an object does not fit",
        ),
        pytest.param(
            NamespaceLimits(
                quotas=(HardLimits("q", image_tags=Quantity("3e0")),),
                stream_tags=limit("0.002k"),
            ),
            Claims("ns", push("app", "v3", "d1")),
            [
                "exceeded quota: q, requested: alauda.io/image-tags=1, "
                "used: alauda.io/image-tags=3, limited: alauda.io/image-tags=3",
                "requested usage of alauda.io/image-tags exceeds the maximum limit per "
                "alauda.io/ImageStream (3 > 2) in ImageStream ns/app, requested: 1, used: 2",
            ],
            id="limits with a suffix are told in plain numbers",
        ),
    ],
)
def test_quota_verdicts(limits: NamespaceLimits, claims: Claims, violations: list[str]) -> None:
    verdict = image_quota.check(claims, EffectiveUsage(stored()).assess(claims), limits, DOMAIN)

    assert [violation.message for violation in verdict.violations] == violations


def test_reserved_members_count_like_stored_ones() -> None:
    effective = EffectiveUsage(stored())
    effective.add(push("app", "v3", "d3"))
    effective.add(push("app", "v3", "d3"))

    change = effective.assess(Claims("ns", push("app", "v4", "d3"))).namespace

    assert (change.imagestreams.used, change.images.used, change.image_tags.used) == (2, 3, 4)
    assert (change.images.requested, change.image_tags.requested) == (0, 1)


def test_a_refusal_names_the_next_step() -> None:
    limits = NamespaceLimits(
        quotas=(quota(images=2, image_tags=3),), stream_images=limit("2"), stream_tags=limit("2")
    )

    claims = Claims("ns", push("app", "v3", "d3"))

    verdict = image_quota.check(claims, EffectiveUsage(stored()).assess(claims), limits, DOMAIN)

    assert [violation.next_step for violation in verdict.violations] == [
        "delete images and image-tags that are not needed in namespace ns, "
        "or raise spec.hard of ResourceQuota ns/q",
        "delete images of the stream that are not needed, or raise max of alauda.io/images "
        "in LimitRange ns/limits",
        "delete tags of the stream that are not needed, or raise max of alauda.io/image-tags "
        "in LimitRange ns/limits",
    ]
