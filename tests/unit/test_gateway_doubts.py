"""When an answer of the registry ends a doubt about a push whose outcome is unknown."""

import asyncio

import pytest

from app.gateway.contents import NO_LINKS
from app.gateway.database import Intent
from app.gateway.doubts import Doubt, Doubts
from app.gateway.questions import Answer, Found, Unreadable
from app.registry.names import Reference, Repository
from tests.unit import virtual_time

APP, WEB = Repository("ns", "app"), Repository("ns", "web")
OLD, NEW = f"sha256:{1:064x}", f"sha256:{2:064x}"
PUSH, AGAIN = (Intent(number, APP, Reference(tag="v1"), NEW) for number in (1, 2))
SETTLE = 5.0


def doubts(*pushes: Intent) -> Doubts:
    found = Doubts(SETTLE)
    for push in pushes:
        found.begin(push, OLD)
    return found


@pytest.mark.parametrize(
    ("answer", "early"),
    [
        (None, True),
        (Found(OLD, NO_LINKS), True),
        (Found(NEW, NO_LINKS), False),
        (Unreadable("503"), False),
    ],
    ids=["404", "the old image", "the new image", "unreadable"],
)
def test_first_answer_ends_a_doubt_unless_the_push_may_come_later(
    answer: Answer, early: bool
) -> None:
    async def ask() -> set[str]:
        return doubts(PUSH).early(APP, {"v1": answer, "v2": answer})

    assert virtual_time.run(ask()) == ({"v1"} if early else set())


def test_answer_counts_some_seconds_after_the_first_one() -> None:
    async def ask() -> list[bool]:
        subject, found = doubts(PUSH), []
        for pause in (0.0, 3.0, 1.9, 0.1):
            await asyncio.sleep(pause)
            found.append(bool(subject.early(APP, {"v1": None})))
        return found

    assert virtual_time.run(ask()) == [True, True, True, False]


def test_next_push_begins_the_doubt_again() -> None:
    async def ask() -> list[bool]:
        subject = doubts(PUSH)
        found = [bool(subject.early(APP, {"v1": None}))]
        await asyncio.sleep(SETTLE)
        subject.begin(AGAIN, "")
        found.append(bool(subject.early(APP, {"v1": None})))
        return found

    assert virtual_time.run(ask()) == [True, True]


def test_doubt_that_has_ended_names_its_pushes_and_images_once() -> None:
    subject = Doubts(SETTLE)
    assert subject.begin(PUSH, OLD) == OLD
    assert subject.begin(AGAIN, OLD) == ""
    assert (APP, "v1") in subject
    assert (WEB, "v1") not in subject

    ended, image = subject.end(APP, "v1"), subject.end(APP, NEW)

    assert ended.intents == (PUSH, AGAIN)
    assert ended.kept == {OLD}
    assert image == Doubt(digest=NEW)
    assert (APP, "v1") not in subject
    assert subject.end(APP, "v1") == Doubt()
