"""Completion in a shell, and of the plugin of kubectl."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from app.cli import completion
from app.cli.main import complete_for_kubectl, main

HEAVY = ("aiohttp", "cryptography", "fastapi", "httpx", "kubernetes_asyncio", "uvicorn")
CONFIG = """\
apiVersion: v1
kind: Config
contexts: [{name: staging, context: {namespace: team-b}}, {name: production, context: {}}]
"""


@pytest.fixture(autouse=True)
def kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config").write_text(CONFIG)
    (tmp_path / "broken").write_text("[")
    (tmp_path / "deep").write_text("[" * 60_000)
    (tmp_path / "odd").write_text("contexts: 7")
    files = (tmp_path / name for name in ("config", "broken", "deep", "odd", "none"))
    monkeypatch.setenv("KUBECONFIG", ":".join(map(str, files)))


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["us"], ["usage"]),
        (["usage", "--context", "s"], ["staging"]),
        (["audit", "--context", ""], ["production", "staging"]),
        (["usage", "-o", "w"], ["wide"]),
        (["usage", "--sort-by", "f"], ["full"]),
        (["install", "--mode", ""], ["enforce", "warn", "audit"]),
        (["completion", "z"], ["zsh"]),
    ],
)
def test_values_of_flags_and_commands(words: list[str], offered: list[str]) -> None:
    found, _ = completion.values(main, words)
    assert [value.partition("\t")[0] for value in found] == offered


def test_files_are_left_to_the_shell() -> None:
    assert completion.values(main, ["check", ""]) == ([], True)


def test_kubectl_gets_values_and_a_directive(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        "sys.argv", ["kubectl_complete-registry_limits", "doctor", "--fail-on", "w"]
    )
    complete_for_kubectl()
    assert capsys.readouterr().out == "warning\n:4\n"


@pytest.fixture
def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fake kubectl as the only program on the PATH, which prints its arguments."""
    items = [{"metadata": {"name": name}} for name in ("team-a", "team-b", "other")]
    program = tmp_path / "bin/kubectl"
    program.parent.mkdir()
    program.write_text(
        f"#!/bin/sh\necho \"$@\" > {tmp_path}/called\necho '{json.dumps({'items': items})}'\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/bin:/usr/bin")
    return program


def test_kubectl_lists_the_namespaces_of_the_cluster_that_is_named(
    kubectl: Path, tmp_path: Path
) -> None:
    words = ["usage", "--kubeconfig", "file", "--context", "staging", "-n", "team-"]
    assert completion.values(main, words)[0] == ["team-a", "team-b"]
    assert (tmp_path / "called").read_text() == (
        "get --raw=/api/v1/namespaces --request-timeout=2s --kubeconfig=file --context=staging\n"
    )


@pytest.mark.parametrize(
    "answer", ["exit 1", "echo no JSON", "echo 7", "echo '{}'", "echo '{\"items\": [{}]}'"]
)
def test_a_user_who_may_not_list_namespaces_is_offered_those_of_contexts(
    kubectl: Path, answer: str
) -> None:
    kubectl.write_text(f"#!/bin/sh\n{answer}\n")
    assert completion.values(main, ["usage", ""])[0] == ["team-b"]


def test_without_kubectl_the_own_client_asks_and_may_fail(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "")
    assert completion.values(main, ["usage", "team"])[0] == ["team-b"]


def test_a_tab_imports_no_client_of_clusters(kubectl: Path) -> None:
    script = f"""
import sys
from app.cli import completion
from app.cli.main import main
found, _ = completion.values(main, ["usage", "-n", ""])
heavy = {HEAVY!r}
print(len(found), [name for name in heavy if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "3 []\n"
