"""`null` in the fields of an AdmissionReview. Go encodes an empty list or map as `null`."""

from typing import Any

import pytest

from app.admission.review import AdmissionReview
from tests import payloads


def review(**fields: Any) -> dict[str, Any]:
    content: dict[str, Any] = payloads.load("push-allowed")
    return {**content, "request": {**content["request"], **fields}}


@pytest.mark.parametrize(
    "field",
    ["resource", "subResource", "name", "namespace", "userInfo", "object", "oldObject", "dryRun",
     "options", "requestKind", "requestResource", "requestSubResource"],
)  # fmt: skip
def test_a_field_that_is_null_is_absent(field: str) -> None:
    absent = review()
    absent["request"].pop(field, None)
    read = AdmissionReview.model_validate(review(**{field: None}))
    assert read == AdmissionReview.model_validate(absent)


@pytest.mark.parametrize(
    ("user", "groups", "extra"),
    [
        ({"username": None, "uid": None, "groups": None, "extra": None}, [], {}),
        ({"groups": ["a"], "extra": {"k": None}}, ["a"], {"k": []}),
        ({"extra": {"k": [], "l": ["a", "b"]}}, [], {"k": [], "l": ["a", "b"]}),
    ],
    ids=["every field", "the values of a key", "some values"],
)
def test_lists_of_a_user_that_are_null_are_empty(
    user: dict[str, Any], groups: list[str], extra: dict[str, list[str]]
) -> None:
    read = AdmissionReview.model_validate(review(userInfo=user)).request.user_info
    assert (read.groups, read.extra) == (groups, extra)
