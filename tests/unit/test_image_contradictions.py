"""An Image that contradicts itself is refused."""

from typing import Any

import pytest

from tests.unit.reviews import causes, decide, service

LIE = {"dockerImageMetadata": {"Size": 5}, "dockerImageLayers": [{"name": "l", "size": 9}]}
WORSE = {"dockerImageMetadata": {"Size": 5}, "dockerImageLayers": [{"name": "l", "size": 99}]}


@pytest.mark.parametrize(
    ("before", "after", "refused"),
    [
        pytest.param(None, LIE, True, id="a new one"),
        pytest.param(LIE, LIE, False, id="a stored one that is labelled"),
        pytest.param(LIE, WORSE, True, id="a stored one that gets worse"),
    ],
)
async def test_an_image_that_contradicts_itself(
    before: dict[str, Any] | None, after: dict[str, Any], refused: bool
) -> None:
    verdict = await decide(service(), "Image", after, before)

    assert causes(verdict) == ["ImageContradictsItself"] * refused
    assert len(verdict.warnings) == (not refused)
