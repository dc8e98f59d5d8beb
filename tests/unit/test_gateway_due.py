"""The references that the registry has to be asked for, while pushes touch some of them."""

import pytest

from app.gateway.database import Intent
from app.gateway.due import Due
from app.registry.names import Reference, Repository

APP, WEB = Repository("ns", "app"), Repository("ns", "web")
FIRST, SECOND = (Intent(number, APP, Reference(tag="v1"), f"sha256:{number}") for number in (1, 2))
OTHER_TAG = Intent(3, APP, Reference(tag="v2"), FIRST.digest)


@pytest.fixture
def due() -> Due:
    return Due()


def test_reference_is_due_after_the_last_push_that_touches_it(due: Due) -> None:
    due.begin(FIRST)
    due.begin(SECOND)
    due.add(APP, ["v1", "v2"])
    assert due.take() == {APP: {"v2"}}

    due.end(FIRST)
    assert not due
    due.end(SECOND)

    assert due.something.is_set()
    assert due.take() == {APP: {"v1"}}
    assert not due.something.is_set()
    assert not due


def test_tag_of_two_pushes_at_once_is_due_after_both(due: Due) -> None:
    due.begin(FIRST)
    assert not due.is_postponed(APP, "v1")
    due.begin(SECOND)
    assert due.is_postponed(APP, "v1")

    due.end(FIRST)
    due.end(SECOND)

    assert due.take() == {APP: {"v1"}}
    assert not due.is_postponed(APP, "v1")


def test_image_of_two_pushes_to_different_tags_is_not_asked_for(due: Due) -> None:
    for push in (FIRST, OTHER_TAG):
        due.begin(push)
    for push in (FIRST, OTHER_TAG):
        due.end(push)

    assert not due


def test_only_pushes_to_the_repository_touch_it(due: Due) -> None:
    due.begin(FIRST)
    assert due.touched(APP) == {"v1", FIRST.digest}
    assert due.touched(WEB) == set()
    due.end(FIRST)
    assert due.touched(APP) == set()
