"""During `install --wait` no push is refused, whether the service starts or not."""

from collections.abc import Callable

import pytest

from tests.e2e.commands import run
from tests.node.load import under_load
from tests.node.node import IMAGE, Node


def install_and_wait(node: Node) -> None:
    done = run(node, "install", "--image", IMAGE, "--apply", "--wait")
    assert done.returncode == 0, done.stdout + done.stderr


def install_an_image_that_nobody_has(node: Node) -> None:
    missing = f"{IMAGE}-typo"
    done = run(node, "install", "--image", missing, "--apply", "--wait", "--timeout", "15")
    assert done.returncode != 0
    assert "no webhook was registered" in done.stderr
    configurations = node.kubectl("get", "validatingwebhookconfigurations", "--output=name")
    assert configurations.stdout == ""


@pytest.mark.parametrize("install", [install_and_wait, install_an_image_that_nobody_has])
async def test_no_push_is_refused_while_it_is_installed(
    empty: Node, team: str, install: Callable[[Node], None]
) -> None:
    load = await under_load(empty, team, install)

    assert load.made >= 10
    assert load.failures == []
