"""From another revision to this one and back, under load: `make node-upgrade FROM=<revision>`."""

import os
import subprocess
import sys
from pathlib import Path

from tests.e2e.commands import environment
from tests.node.installation import installed, rolled_out
from tests.node.load import under_load
from tests.node.node import Node

FROM = "localhost/registry-admission:from"


def install_the_other_revision(node: Node) -> None:
    """With the manifests and the command of that revision."""
    done = subprocess.run(
        [sys.executable, "-m", "app", "install", "--image", FROM, "--apply"],
        cwd=Path(os.environ["NODE_TOOLS"]) / "from",
        env=environment(node.kubeconfig),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rolled_out(node)


def upgrade(node: Node) -> None:
    installed(node)


def go_back(node: Node) -> None:
    install_the_other_revision(node)


async def test_no_review_fails_during_an_upgrade_and_the_way_back(empty: Node, team: str) -> None:
    archive = Path(os.environ["NODE_TOOLS"]) / "service-from.tar"
    empty.import_image(archive)
    install_the_other_revision(empty)

    for change in (upgrade, go_back):
        load = await under_load(empty, team, change)
        assert load.made >= 10
        assert load.failures == []
