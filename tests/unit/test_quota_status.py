"""`ResourceQuota.status` gets the counts of the domain's names, and no other field changes."""

from typing import Any

import pytest

from app.model.limits import ResourceQuota
from app.quota.status import status_patch
from app.quota.usage import NamespaceUsage, StreamUsage
from tests.unit.stores import DOMAIN

STREAMS, IMAGES, TAGS = "alauda.io/imagestreams", "alauda.io/images", "alauda.io/image-tags"
STORED = NamespaceUsage()
STORED.put("app", StreamUsage({"v1": ("d1",), "v2": ("d1",), "v3": ("d2",)}))


def quota(spec: dict[str, str], hard: dict[str, str], used: dict[str, str]) -> ResourceQuota:
    return ResourceQuota.model_validate(
        {"spec": {"hard": spec}, "status": {"hard": hard, "used": used}}
    )


@pytest.mark.parametrize(
    ("spec", "hard", "used", "patch"),
    [
        pytest.param(
            {STREAMS: "20", IMAGES: "200", TAGS: "300"},
            {},
            {},
            {
                "hard": {STREAMS: "20", IMAGES: "200", TAGS: "300"},
                "used": {STREAMS: "1", IMAGES: "2", TAGS: "3"},
            },
            id="a new quota",
        ),
        pytest.param({TAGS: "9"}, {TAGS: "9"}, {TAGS: "3"}, None, id="a status that is true"),
        pytest.param(
            {TAGS: "9"}, {TAGS: "9"}, {TAGS: "2"}, {"used": {TAGS: "3"}}, id="another use"
        ),
        pytest.param(
            {TAGS: "9"}, {TAGS: "8"}, {TAGS: "3"}, {"hard": {TAGS: "9"}}, id="another limit"
        ),
        pytest.param(
            {},
            {TAGS: "9"},
            {TAGS: "3"},
            {"hard": {TAGS: None}, "used": {TAGS: None}},
            id="a name that has left the quota",
        ),
        pytest.param(
            {"pods": "9", TAGS: "9"},
            {"pods": "8", TAGS: "9"},
            {"pods": "1", TAGS: "3"},
            None,
            id="names of others",
        ),
    ],
)
def test_status_patch_corrects_used_and_hard(
    spec: dict[str, str], hard: dict[str, str], used: dict[str, str], patch: dict[str, Any] | None
) -> None:
    expected = None if patch is None else {"status": patch}

    assert status_patch(quota(spec, hard, used), STORED, DOMAIN) == expected
