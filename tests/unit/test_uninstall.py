"""`uninstall` names the objects and the cluster before it deletes anything."""

import os
import pty
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
from click.testing import CliRunner

from app.cli.main import main

KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: east
contexts:
  - {name: east, context: {cluster: c, user: u}}
  - {name: west, context: {cluster: d, user: u}}
clusters:
  - {name: c, cluster: {server: "https://127.0.0.1:9"}}
  - {name: d, cluster: {server: "https://127.0.0.1:10"}}
users: [{name: u, user: {}}]
"""
EAST = "context east (https://127.0.0.1:9)"
PULL_SECRETS = "Its pull secrets in all namespaces"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], ["Remove the service from namespace registry-admission of " + EAST]),
        (["--context", "west"], ["of context west (https://127.0.0.1:10)?"]),
        (["--service-namespace", "platform"], ["from namespace platform of " + EAST]),
        (["--delete-namespace"], ["The namespace itself is deleted as well."]),
        (["--everything"], ["The namespace itself is deleted as well.", PULL_SECRETS]),
    ],
)
def test_the_question_names_the_cluster_and_no_deletes_nothing(
    tmp_path: Path, options: list[str], told: list[str]
) -> None:
    (tmp_path / "kubeconfig").write_text(KUBECONFIG)
    terminal, stdin = pty.openpty()
    os.write(terminal, b"n\n")

    answer = subprocess.run(
        [
            sys.executable, "-c", "from app.cli.main import start; start()",
            "uninstall", "--kubeconfig", tmp_path / "kubeconfig", *options,
        ],
        stdin=stdin, capture_output=True, text=True, check=False,
    )  # fmt: skip
    os.close(stdin)
    os.close(terminal)

    for text in (*told, "Its limits will not be enforced. [y/N]", "Nothing was deleted."):
        assert text in answer.stdout
    assert (PULL_SECRETS in answer.stdout) is ("--everything" in options)
    assert (answer.returncode, answer.stderr) == (0, "")


def test_a_dry_run_with_everything_lists_the_further_deletions() -> None:
    listed = CliRunner().invoke(main, ["uninstall", "--dry-run", "--delete-namespace"]).output
    everything = CliRunner().invoke(main, ["uninstall", "--dry-run", "--everything"]).output

    assert everything.startswith(listed)
    added = everything.removeprefix(listed).splitlines()
    assert all(line.startswith("# ") for line in added)
    for text in ("pull secrets", "ServiceAccounts", "ResourceQuotas", "Config/cluster"):
        assert text in "".join(added)


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        (["--service-namespace", "platform"], True),
        (["--service-namespace", "platform", "--delete-namespace"], False),
    ],
)
def test_the_end_names_the_namespace_that_is_kept(
    monkeypatch: pytest.MonkeyPatch, options: list[str], kept: bool
) -> None:
    async def delete(*_arguments: object) -> int:
        return 3

    monkeypatch.setattr("app.install.installing.delete", delete)
    monkeypatch.setattr("app.cluster.connection.found", lambda *_arguments: nullcontext(None))
    answer = CliRunner().invoke(main, ["uninstall", "--yes", *options])

    line = "Namespace platform is kept, with certificate and ledgers; --delete-namespace deletes it"
    assert (answer.exit_code, line in answer.stdout) == (0, kept), answer.output
