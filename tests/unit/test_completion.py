"""What a shell offers on TAB, and what kubectl asks for its plugin."""

from pathlib import Path

import pytest

from app.cli import completion
from app.cli.main import complete_for_kubectl, main

CONFIG = """\
apiVersion: v1
kind: Config
contexts: [{name: staging, context: {}}, {name: production, context: {}}]
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
