"""Reviews during changes of the service and of the node: the table in docs/faults.md."""

from collections.abc import Callable

import pytest

from tests.e2e.pushes import Push, Pusher
from tests.node.changes import (
    delete_the_certificate,
    kill_one_process,
    renew_the_certificate,
    restart_in_turn,
    restart_the_api_server,
    starve_one_replica,
)
from tests.node.load import CLIENTS, under_load
from tests.node.node import Node


@pytest.mark.parametrize(
    "change",
    [restart_in_turn, delete_the_certificate, renew_the_certificate, starve_one_replica],
)
async def test_no_review_fails_while_it_changes(
    service: Node, team: str, change: Callable[[Node], None]
) -> None:
    load = await under_load(service, team, change)

    assert load.made >= 10
    assert load.failures == []


async def test_a_killed_process_fails_reviews_only_until_its_service_knows(
    service: Node, team: str
) -> None:
    """Its reviews fail, and new connections until the killed replica is no endpoint any more."""
    load = await under_load(service, team, kill_one_process)

    assert load.made >= 10
    assert len(load.failures) <= 3 * CLIENTS


async def test_pushes_are_admitted_again_when_the_only_api_server_was_restarted(
    service: Node, team: str
) -> None:
    """Replicas refuse while their view is too old, because they cannot know the stored objects."""
    load = await under_load(service, team, restart_the_api_server)

    assert all("cannot decide now" in one.message for one in load.failures)
    [admitted] = await Pusher(service).push([Push(team, "after-the-restart", "v1")])
    assert admitted.admitted, admitted.message
