"""As tests/node/test_changes.py, for changes that take minutes: `make node-faults`."""

from collections.abc import Callable

import pytest

from tests.e2e.pushes import Push, Pusher
from tests.node.changes import (
    containerd_is_down_for_20_seconds,
    evict_every_pod,
    hang_every_process,
    kubelet_is_down_for_20_seconds,
    restart_the_node,
    scale_to_zero_and_back,
)
from tests.node.load import under_load
from tests.node.node import Node


@pytest.mark.parametrize(
    "change",
    [evict_every_pod, kubelet_is_down_for_20_seconds, containerd_is_down_for_20_seconds],
)
async def test_no_review_fails_while_it_changes(
    service: Node, team: str, change: Callable[[Node], None]
) -> None:
    load = await under_load(service, team, change)

    assert load.made >= 10
    assert load.failures == []


@pytest.mark.parametrize("change", [scale_to_zero_and_back, restart_the_node, hang_every_process])
async def test_pushes_are_refused_until_a_replica_answers_again(
    service: Node, team: str, change: Callable[[Node], None]
) -> None:
    load = await under_load(service, team, change)

    assert load.failures
    assert {one.code for one in load.failures} <= {500, 503}
    [admitted] = await Pusher(service).push([Push(team, "afterwards", "v1")], patience=0)
    assert admitted.admitted, admitted.message
