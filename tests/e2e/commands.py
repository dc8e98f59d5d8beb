"""Runs the commands against the cluster of the tests."""

import os
import subprocess
import sys
from pathlib import Path

from .cluster import Cluster


def run(
    cluster: Cluster, *arguments: str, stdin: str = "", kubeconfig: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command as the cluster's administrator, or as the owner of another kubeconfig."""
    return subprocess.run(
        [sys.executable, "-m", "app", *arguments],
        env=environment(kubeconfig or cluster.kubeconfig),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
    )


def environment(kubeconfig: Path) -> dict[str, str]:
    """The environment of a shell in which kubectl uses a cluster."""
    return {**os.environ, "KUBECONFIG": str(kubeconfig)}
