"""An index weighs as much as the largest image that it lists."""

import pytest

from app.model.image import ImageClaim
from app.policy.image_weight import Weight, known_sizes, weigh


def claim(size: int | None, *children: str) -> ImageClaim:
    return ImageClaim("", size, children)


@pytest.mark.parametrize(
    ("claims", "weight"),
    [
        pytest.param({"a": claim(5)}, Weight(5, "a"), id="an image"),
        pytest.param({}, Weight(None, unknown="a"), id="an image that nobody knows"),
        pytest.param({"a": claim(None)}, Weight(None, unknown="a"), id="an image without a size"),
        pytest.param({"a": claim(0)}, Weight(0, "a"), id="an index of nothing"),
        pytest.param(
            {"a": claim(0, "b", "c"), "b": claim(5), "c": claim(7)}, Weight(7, "c"), id="an index"
        ),
        pytest.param(
            {"a": claim(None, "b"), "b": claim(5)}, Weight(5, "b"), id="an index of no own size"
        ),
        pytest.param(
            {"a": claim(9, "b"), "b": claim(5)}, Weight(9, "a"), id="an index with large layers"
        ),
        pytest.param(
            {"a": claim(0, "b"), "b": claim(0, "c"), "c": claim(7)}, Weight(7, "c"), id="nested"
        ),
        pytest.param(
            {"a": claim(0, "b", "c"), "b": claim(5)},
            Weight(5, "b", unknown="c"),
            id="an index of an image that nobody knows",
        ),
        pytest.param(
            {"a": claim(0, "b"), "b": claim(5, "a", "b")}, Weight(5, "b"), id="a list in a circle"
        ),
    ],
)
def test_weights(claims: dict[str, ImageClaim], weight: Weight) -> None:
    assert weigh("a", claims) == weight


def test_the_known_sizes_are_those_that_are_wholly_known() -> None:
    claims = {"a": claim(0, "b"), "b": claim(5), "c": claim(0, "b", "d"), "e": claim(1)}

    assert known_sizes(claims, ["a", "b", "c", "d"]) == {"a": 5, "b": 5}
