"""The tags of a stream, and the sizes of their images."""

import asyncio

import pytest

from app.model.image import ImageClaim
from app.model.limits import NamespaceLimits
from app.page import tags
from app.quota.state import StateUnavailableError
from app.quota.usage import StreamUsage
from tests.unit import virtual_time
from tests.unit.stores import FakeState, limit

A, B, C = ("sha256:" + letter * 64 for letter in "abc")
STREAM = StreamUsage({"v10": (A, B, C), "v9": (B,), "latest": (), "release-2": (C,)})


@pytest.mark.parametrize(
    ("text", "names"),
    [
        pytest.param("", "latest release-2 v9 v10", id="by number"),
        pytest.param("V", "v9 v10", id="any case"),
        pytest.param("10", "v10", id="anywhere"),
        pytest.param("x", "", id="none"),
    ],
)
async def test_tags_are_found_and_sorted(text: str, names: str) -> None:
    assert await tags.names(STREAM, text) == names.split()


def test_tag_shows_the_size_of_its_latest_image_and_the_limit() -> None:
    limits = NamespaceLimits(image_size=limit("1Gi"))
    ten, nine, latest = tags.tags(STREAM, ["v10", "v9", "latest"], {A: 2**30 + 1}, limits)

    assert (ten.digest, ten.older) == (A, 2)
    assert ten.size is not None
    assert ten.size.over == 1
    assert (nine.digest, nine.older, nine.size) == (B, 0, None)
    assert (latest.digest, latest.older, latest.size) == (None, 0, None)


class Slow(FakeState):
    """Sizes: answers at once for A, fails for B, and never answers for C."""

    async def image(self, digest: str) -> ImageClaim | None:
        if digest == B:
            raise StateUnavailableError("etcd is gone")
        if digest == C:
            await asyncio.Event().wait()
        return ImageClaim(digest, 7)


async def test_an_index_is_as_large_as_the_largest_image_that_it_lists() -> None:
    state = FakeState()
    state.images = {A: ImageClaim(A, 0, (B, C)), B: ImageClaim(B, 5), C: ImageClaim(C, 9)}

    assert await tags.sizes(state, [A, B]) == {A: 9, B: 5}


def test_late_sizes_are_left_out() -> None:
    assert virtual_time.run(tags.sizes(Slow(), [A, A, B, C], within=0.05)) == {A: 7}
    assert virtual_time.run(tags.sizes(Slow(), [])) == {}
