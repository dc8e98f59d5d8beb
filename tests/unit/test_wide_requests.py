"""The cost of a request with many references and images is bounded."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from app.admission.references import MAX_REFERENCES, References, TooManyReferencesError
from app.model.image import ImageClaim
from app.model.limits import NamespaceLimits
from app.quota.state import StateUnavailableError
from tests.unit.image_requests import (
    FROM_BIG,
    imported,
    named,
    stream,
)
from tests.unit.pushes import Pushes
from tests.unit.reviews import BIG, REGISTRY, SMALL, causes, decide, service
from tests.unit.stores import FakeState, limit, quota


def wide(kind: str, count: int) -> dict[str, Any]:
    """A request with this number of references, each to another image."""
    sources = [
        {"kind": "ImageStreamImage", "name": f"origin@sha256:{n:064x}", "namespace": "team-b"}
        for n in range(count)
    ]
    if kind == "ImageStream":
        return stream(*(named(f"v{n}", **{"from": each}) for n, each in enumerate(sources)))
    if kind == "status":
        return stream(status={f"v{n}": [f"sha256:{n:064x}"] for n in range(count)})
    return imported(images=[{"from": each, "to": {"name": "v"}} for each in sources])


@pytest.mark.parametrize("kind", ["ImageStream", "status", "ImageStreamImport"])
async def test_a_request_with_too_many_references_is_told_so(kind: str) -> None:
    decided = "ImageStream" if kind == "status" else kind
    few = await decide(service(), decided, wide(kind, MAX_REFERENCES))
    assert few.violations or few.warnings

    with pytest.raises(TooManyReferencesError, match="more than 2000 images or references"):
        await decide(service(), decided, wide(kind, MAX_REFERENCES + 1))


async def test_an_internal_repository_with_too_many_tags_is_not_imported_as_a_whole() -> None:
    pushes = service()
    tags: dict[str, tuple[str, ...]] = {f"v{n}": (SMALL,) for n in range(MAX_REFERENCES + 1)}
    pushes.state.store("team-b", "origin", tags)
    source = {"kind": "DockerImage", "name": f"{REGISTRY}/team-b/origin"}

    with pytest.raises(TooManyReferencesError, match="more than 2000 images or references"):
        await decide(pushes, "ImageStreamImport", imported(repository={"from": source}))


async def test_references_that_stay_are_not_counted() -> None:
    old = wide("ImageStream", MAX_REFERENCES + 1)

    assert (await decide(service(), "ImageStream", old, old)).allowed


async def test_references_in_a_namespace_without_limits_are_not_resolved() -> None:
    pushes = Pushes(NamespaceLimits())

    assert (await decide(pushes, "ImageStream", wide("ImageStream", 3000))).allowed


class Changing(FakeState):
    """A state with limits at the first call, and without limits afterwards."""

    def __init__(self) -> None:
        super().__init__()
        self.answers = [
            NamespaceLimits(image_size=limit("1Ki"), quotas=(quota(image_tags=0),)),
        ]

    def limits(self, namespace: str) -> NamespaceLimits:
        return self.answers.pop() if self.answers else NamespaceLimits()


async def test_one_decision_rests_on_the_limits_of_one_moment() -> None:
    pushes = Pushes(NamespaceLimits())
    state = Changing()
    state.sizes = {BIG: 4096}
    state.store("team-b", "origin", {"big": (BIG,)})
    references = References(state, [])
    pushes.admission = replace(pushes.admission, state=state, references=references)

    verdict = await decide(pushes, "ImageStream", stream(named("v2", **{"from": FROM_BIG})))

    assert causes(verdict) == ["ImageTooLarge", "QuotaExceeded"]


class Asking(FakeState):
    """Counts the requests, and how many are open at once."""

    def __init__(self, limits: NamespaceLimits) -> None:
        super().__init__(limits)
        self.asked = self.open = self.most = 0

    async def image(self, digest: str) -> ImageClaim | None:
        self.asked += 1
        self.open += 1
        self.most = max(self.most, self.open)
        await asyncio.sleep(0)
        self.open -= 1
        return None


def asking(**limits: Any) -> tuple[Pushes, Asking]:
    pushes = Pushes(NamespaceLimits(image_size=limit("1Ki"), **limits))
    state = Asking(NamespaceLimits(image_size=limit("1Ki"), **limits))
    pushes.admission = replace(pushes.admission, state=state)
    return pushes, state


async def test_a_wide_request_asks_a_few_questions_at_a_time() -> None:
    pushes, state = asking()

    verdict = await decide(pushes, "ImageStream", wide("ImageStream", 1000))

    assert (state.asked, state.most) == (1000, 8)
    assert len(verdict.violations) + verdict.more == 1000


async def test_a_wide_request_without_room_causes_no_look_up() -> None:
    pushes, state = asking(quotas=(quota(image_tags=500),))

    verdict = await decide(pushes, "ImageStream", wide("ImageStream", 1000))

    assert causes(verdict) == ["QuotaExceeded"]
    assert state.asked == 0


async def test_a_wide_request_has_one_deadline_for_all_its_questions() -> None:
    pushes, state = asking()

    async def silent(digest: str) -> ImageClaim | None:
        await asyncio.Event().wait()
        raise AssertionError("never")

    state.image = silent  # type: ignore[method-assign]
    with pytest.raises(StateUnavailableError, match="sizes of images are not known"):
        await decide(pushes, "ImageStream", wide("ImageStream", 100), within=0.2)
