"""Every command of docs/how-to/install.md, in the order of the page, on a cluster with a node."""

import os
import subprocess
import sys
from pathlib import Path

from tests.docs.blocks import DOCS, blocks
from tests.node.installation import NAMESPACE, rolled_out
from tests.node.node import IMAGE, Node

PAGE = DOCS / "how-to" / "install.md"
FINDINGS = ("registry-admission audit", "registry-admission doctor", "registry-admission usage")
"""These commands exit with 1 for findings, which a cluster without a registry has."""
COMMANDS = [
    command
    for block in blocks(PAGE)
    if block.language == "sh" and not block.mark.startswith("not run")
    for command in block.commands
    if command.strip()
]


def follow(node: Node, command: str) -> None:
    """The commands of a reader of the page, in the project's folder."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{node.tools}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command.replace("HOST/registry-admission:TAG", IMAGE)],
        cwd=DOCS.parent,
        env={**os.environ, "PATH": path, "KUBECONFIG": str(node.kubeconfig)},
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    expected = (0, 1) if command.startswith(FINDINGS) else (0,)
    assert done.returncode in expected, f"{command}\n{done.stdout}{done.stderr}"


def test_the_page_is_followed_from_the_install_to_the_removal(empty: Node) -> None:
    for command in COMMANDS:
        if "helm" not in command and f"namespace {NAMESPACE}" not in command:
            follow(empty, command)
    empty.wait("--for=delete", f"namespace/{NAMESPACE}")


def test_helm_installs_it_as_the_page_says(empty: Node) -> None:
    [block] = [block for block in blocks(PAGE) if "helm install" in block.content]
    for command in block.commands:
        follow(empty, command)
    rolled_out(empty)

    follow(empty, f"helm uninstall {NAMESPACE} --namespace {NAMESPACE} --wait")
