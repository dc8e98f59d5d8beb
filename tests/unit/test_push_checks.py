"""A push check decides as admission decides afterwards, and the push counts once."""

import asyncio
import json
from typing import Any

import pytest

from app.admission.review import AdmissionRequest
from app.model.limits import NO_LIMITS, NamespaceLimits
from app.model.manifest import OCI_MANIFEST
from app.quota.state import StateUnavailableError
from app.registry.names import Reference, Repository
from tests.unit.pushes import Pushes, digest_of, image, index, pushed
from tests.unit.reviews import review
from tests.unit.stores import limit, quota

REPOSITORY = Repository("ns", "app")
V1, V2 = Reference(tag="v1"), Reference(tag="v2")
SMALL = NamespaceLimits(image_size=limit("1Ki"))


@pytest.mark.parametrize(
    ("uploaded", "declared", "allowed", "remaining"),
    [
        pytest.param(0, None, True, 1024, id="nothing yet"),
        pytest.param(1000, None, True, 24, id="the rest is left"),
        pytest.param(1024, None, True, 0, id="exactly the limit"),
        pytest.param(1025, None, False, 0, id="one byte more"),
        pytest.param(0, 1024, True, 1024, id="declares the limit"),
        pytest.param(0, 1025, False, 1024, id="declares one byte more"),
        pytest.param(2000, 10, False, 0, id="no declaration makes an upload smaller"),
    ],
)
def test_an_upload_may_grow_to_the_limit(
    uploaded: int, declared: int | None, allowed: bool, remaining: int
) -> None:
    check = Pushes(SMALL).checks.blob(REPOSITORY, uploaded, declared)

    assert (check.verdict.allowed, check.remaining) == (allowed, remaining)


def test_a_refused_upload_names_size_limit_and_next_step() -> None:
    check = Pushes(SMALL).checks.blob(REPOSITORY, 2048, None)

    assert [str(violation) for violation in check.verdict.violations] == [
        "requested usage of storage exceeds the maximum limit per alauda.io/Image (2Ki > 1Ki): "
        "a blob for ns/app; make the image smaller, or raise max.storage "
        "in LimitRange ns/limits"
    ]


def test_upload_without_a_limit_is_unbounded() -> None:
    check = Pushes(NO_LIMITS).checks.blob(REPOSITORY, 2**60, None)

    assert (check.verdict.allowed, check.remaining) == (True, None)


@pytest.mark.parametrize(
    ("content", "size", "allowed"),
    [
        pytest.param(image(1024), 1024, True, id="exactly the limit"),
        pytest.param(image(1025), 1025, False, id="one byte more"),
        pytest.param(index(image(1024), image(10)), 0, True, id="an index of small images"),
        pytest.param(index(image(10), image(1025)), 0, False, id="an index of a large image"),
        pytest.param(index(), 0, True, id="an index of nothing"),
    ],
)
async def test_size_of_a_manifest_is_the_sum_of_its_blobs(
    content: bytes, size: int, allowed: bool
) -> None:
    pushes = Pushes(SMALL)
    pushes.state.sizes = {digest_of(image(size)): size for size in (10, 1024, 1025)}

    check = await pushes.checks.manifest(REPOSITORY, V1, pushed(content))

    assert (check.size, check.verdict.allowed) == (size, allowed)
    assert bool(check.reservation) == allowed


async def test_size_of_a_manifest_by_digest_comes_from_the_state() -> None:
    pushes = Pushes(SMALL)
    digest = digest_of(b"stored")

    unknown = await pushes.checks.descriptor(REPOSITORY, V1, digest)
    pushes.state.sizes[digest] = 5000
    large = await pushes.checks.descriptor(REPOSITORY, V1, digest)
    pushes.state.sizes[digest] = 500
    small = await pushes.checks.descriptor(REPOSITORY, V1, digest)

    reasons = [[v.reason for v in check.verdict.violations] for check in (unknown, large, small)]
    assert reasons == [["ImageSizeUnknown"], ["ImageTooLarge"], []]


async def test_200_concurrent_pushes_against_a_limit_of_50_give_exactly_50() -> None:
    pushes = Pushes(NamespaceLimits(quotas=(quota(image_tags=50),)))

    checks = await asyncio.gather(
        *(
            pushes.checks.manifest(REPOSITORY, Reference(tag=f"v{n}"), pushed(image(n)))
            for n in range(200)
        )
    )

    assert sum(check.verdict.allowed for check in checks) == 50


@pytest.mark.parametrize("limits", [quota(image_tags=1), quota(images=1), quota(imagestreams=1)])
async def test_admission_review_after_a_push_check_counts_nothing_twice(limits: Any) -> None:
    pushes = Pushes(NamespaceLimits(quotas=(limits,)))

    check = await pushes.checks.manifest(REPOSITORY, V1, pushed(image()))
    reviewed = await review(pushes, mapping_of(image(), "v1"))

    assert check.verdict.allowed
    assert reviewed.allowed


@pytest.mark.parametrize("content", [image(10), image(5000)], ids=["small", "large"])
async def test_push_check_and_review_have_the_same_message(content: bytes) -> None:
    limits = NamespaceLimits(image_size=limit("1Ki"), quotas=(quota(image_tags=0),))

    check = await Pushes(limits).checks.manifest(REPOSITORY, V1, pushed(content))
    reviewed = await review(Pushes(limits), mapping_of(content, "v1"))

    assert not check.verdict.allowed
    assert check.verdict == reviewed


async def test_cancelled_push_frees_only_its_own_place() -> None:
    pushes = Pushes(NamespaceLimits(quotas=(quota(image_tags=1),)))
    first = await pushes.checks.manifest(REPOSITORY, V1, pushed(image()))
    same = await pushes.checks.manifest(REPOSITORY, V1, pushed(image()))

    assert await pushes.checks.cancel(REPOSITORY, first.reservation)
    assert not (await pushes.checks.manifest(REPOSITORY, V2, pushed(image()))).verdict.allowed
    assert await pushes.checks.cancel(REPOSITORY, same.reservation)
    assert (await pushes.checks.manifest(REPOSITORY, V2, pushed(image()))).verdict.allowed


async def test_the_reservation_of_an_admission_review_cannot_be_cancelled() -> None:
    pushes = Pushes(NamespaceLimits(quotas=(quota(image_tags=1),)))
    await review(pushes, mapping_of(image(), "v1"))
    ledger, _ = await pushes.enforcer._ledgers.load("ns")
    [reservation] = ledger

    assert not await pushes.checks.cancel(REPOSITORY, reservation.holder)
    assert pushes.enforcer.reservations() == 1


async def test_a_push_by_digest_claims_an_image_and_no_tag() -> None:
    content = image()
    pushes = Pushes(NamespaceLimits(quotas=(quota(image_tags=0, images=1),)))

    by_digest = await pushes.checks.manifest(
        REPOSITORY, Reference(digest=digest_of(content)), pushed(content)
    )
    second = await pushes.checks.manifest(
        REPOSITORY, Reference(digest=digest_of(image(7))), pushed(image(7))
    )

    assert by_digest.verdict.allowed
    assert [violation.reason for violation in second.verdict.violations] == ["QuotaExceeded"]


async def test_unloaded_state_is_not_decided_on() -> None:
    pushes = Pushes(SMALL)
    pushes.state.reasons = ["imagestreams: not loaded"]

    with pytest.raises(StateUnavailableError, match="not loaded"):
        pushes.checks.blob(REPOSITORY, 0, None)
    with pytest.raises(StateUnavailableError, match="not loaded"):
        await pushes.checks.manifest(REPOSITORY, V1, pushed(image()))


def mapping_of(content: bytes, tag: str) -> AdmissionRequest:
    """The ImageStreamMapping that the registry creates after it has stored a manifest."""
    layers = [
        {"name": layer["digest"], "size": layer["size"]} for layer in json.loads(content)["layers"]
    ]
    return AdmissionRequest.model_validate(
        {
            "uid": "1",
            "kind": {"group": "image.alauda.io", "version": "v1", "kind": "ImageStreamMapping"},
            "namespace": "ns",
            "operation": "CREATE",
            "object": {
                "metadata": {"name": "app"},
                "image": {
                    "metadata": {"name": digest_of(content)},
                    "dockerImageLayers": layers,
                    "dockerImageManifestMediaType": OCI_MANIFEST,
                },
                "tag": tag,
            },
        }
    )
