"""The message of a service that cannot start."""

import pytest

from . import commands
from .cluster import Cluster

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize(
    "command", [("serve",), ("gateway", "--upstream", "http://localhost:1")], ids=lambda it: it[0]
)
def test_a_service_without_its_namespace_says_so_in_one_line(
    cluster: Cluster, command: tuple[str, ...]
) -> None:
    """In a Pod, the kubelet starts the container again, with longer and longer pauses."""
    chosen = ("--kubeconfig", str(cluster.kubeconfig), "--service-namespace", "nowhere")

    ended = commands.run(cluster, *command, "--port", "0", *chosen)

    assert (ended.returncode, ended.stdout) == (3, "")
    assert ended.stderr == (
        "Error: the namespace nowhere of this service does not exist: create it, or name another "
        "with --service-namespace\n"
    )
