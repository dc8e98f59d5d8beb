"""Every command ends with an exit code of one table."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from app.cli.exit_codes import FINDINGS, MEANING, ExitCode
from app.cli.main import COMMANDS, main
from tests import payloads
from tests.legacy_gateway import CONFIG_MAP
from tests.patience import PATIENCE

LIMITS = """\
apiVersion: v1
kind: ResourceQuota
metadata: {name: small, namespace: team-a}
spec: {hard: {alauda.io/image-tags: "1"}}
"""
OVER = (
    LIMITS
    + """\
---
apiVersion: image.alauda.io/v1
kind: ImageStream
metadata: {name: app, namespace: team-a}
spec: {tags: [{name: v1}, {name: v2}]}
"""
)
AWAY = """
current-context: away
contexts: [{name: away, context: {cluster: away, user: away}}]
clusters: [{name: away, cluster: {server: 'http://127.0.0.1:1'}}]
users: [{name: away, user: {token: any}}]
"""
ONE_SOURCE = "use only one of --state, --examples and --kubeconfig/--context"
PUSH = payloads.FOLDER / "push-too-large.json"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with input for each command, and no kubeconfig."""
    for name, content in {
        "fine/limits.yaml": LIMITS,
        "over/limits.yaml": OVER,
        "broken/limits.yaml": "kind: [",
        "gateway.yaml": CONFIG_MAP,
        "legacy/gateway.yaml": CONFIG_MAP,
        "kubeconfig": "[",
        "list.yaml": "- [",
        "away": AWAY,
        "address": AWAY.replace("127.0.0.1:1", ":x"),
        "plugin": AWAY.replace(
            "token: any",
            "exec: {apiVersion: client.authentication.k8s.io/v1, command: ./no-plugin, "
            "interactiveMode: Never}",
        ),
    }.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.yaml").touch()
    (tmp_path / "file").touch()
    (tmp_path / "random").mkdir()
    (tmp_path / "random" / "bytes.yaml").write_bytes(b"\xef\xff")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setattr("app.cluster.connection.KUBE_CONFIG_DEFAULT_LOCATION", "nowhere")
    return tmp_path


def run(line: str) -> Result:
    return CliRunner().invoke(main, line.split())


CODES = [
    ("audit --state fine", ExitCode.OK),
    ("audit --examples -n team-a", ExitCode.OK),
    ("audit --state over", ExitCode.FINDINGS),
    ("audit", ExitCode.USAGE),
    ("audit --state fine -l team=a", ExitCode.USAGE),
    ("audit --state broken", ExitCode.FAILED),
    ("audit --state empty", ExitCode.FAILED),
    ("audit --state fine -n team-x", ExitCode.FAILED),
    ("audit --kubeconfig kubeconfig", ExitCode.FAILED),
    ("certs make --out tls", ExitCode.OK),
    ("certs make --nmae x", ExitCode.USAGE),
    ("certs make --out file/tls", ExitCode.FAILED),
    ("check fine/limits.yaml --state fine", ExitCode.OK),
    (f"check {PUSH} --examples", ExitCode.FINDINGS),
    (f"check {PUSH}", ExitCode.USAGE),
    ("check nowhere.yaml --state fine", ExitCode.FAILED),
    ("check empty.yaml --state fine", ExitCode.FAILED),
    ("check empty --state fine", ExitCode.FAILED),
    ("check broken --state fine", ExitCode.FAILED),
    (f"check {PUSH} --kubeconfig kubeconfig", ExitCode.FAILED),
    ("completion bash", ExitCode.OK),
    ("completion tcsh", ExitCode.USAGE),
    ("convert gateway.yaml --namespaces team-a", ExitCode.OK),
    ("convert gateway.yaml --namespaces team-b", ExitCode.FINDINGS),
    ("convert legacy --namespaces team-a", ExitCode.OK),
    ("convert empty --namespaces team-a", ExitCode.FAILED),
    ("convert", ExitCode.USAGE),
    ("convert --from-cluster", ExitCode.USAGE),
    ("convert fine/limits.yaml", ExitCode.FAILED),
    ("convert gateway.yaml --namespaces team-a --out file/x", ExitCode.FAILED),
    ("doctor --dump-commands dump", ExitCode.OK),
    ("doctor --state legacy --fail-on warning", ExitCode.FINDINGS),
    ("doctor", ExitCode.USAGE),
    ("doctor --state empty", ExitCode.FAILED),
    ("gateway --show-settings", ExitCode.USAGE),
    ("gateway --upstream http://localhost:1 --state broken --port 0", ExitCode.FAILED),
    ("install --image a", ExitCode.OK),
    ("install", ExitCode.USAGE),
    ("install --image a --apply", ExitCode.USAGE),
    ("install --image a --tls-dir empty", ExitCode.FAILED),
    ("install --image a --apply --kubeconfig kubeconfig", ExitCode.FAILED),
    ("serve --show-settings", ExitCode.OK),
    ("serve --port many", ExitCode.USAGE),
    ("serve --state broken", ExitCode.FAILED),
    ("serve --kubeconfig kubeconfig", ExitCode.FAILED),
    ("uninstall --dry-run", ExitCode.OK),
    ("uninstall", ExitCode.USAGE),
    ("uninstall --yes", ExitCode.USAGE),
    ("uninstall --yes --kubeconfig kubeconfig", ExitCode.FAILED),
    ("usage --state over", ExitCode.OK),
    ("usage", ExitCode.USAGE),
    ("usage --state broken", ExitCode.FAILED),
    ("usage --state fine -n team-x", ExitCode.FAILED),
    ("version", ExitCode.OK),
    ("version --short", ExitCode.USAGE),
]


@pytest.mark.parametrize(("line", "code"), CODES)
def test_a_command_ends_with_the_code_of_the_table(place: Path, line: str, code: ExitCode) -> None:
    answer = run(line)
    assert (answer.exit_code, answer.exception) == (code, answer.exception), answer.output
    if code == ExitCode.FAILED:
        [error] = [each for each in answer.stderr.splitlines() if each.startswith("Error: ")]
        assert "Traceback" not in answer.output, error


@pytest.mark.parametrize(
    ("line", "code", "problem"),
    [
        ("check fine --state empty", 3, "empty: there is no manifest in this folder"),
        ("check nope --state fine", 3, "Error: nope does not exist"),
        ("check fine --state nope", 3, "Error: nope does not exist"),
        ("usage --state nope", 3, "Error: nope does not exist"),
        ("check fine --state fine --examples", 2, ONE_SOURCE),
        ("usage --state fine --kubeconfig kubeconfig", 2, ONE_SOURCE),
        ("audit --examples --context a", 2, ONE_SOURCE),
        ("usage --examples -n nope", 3, "Error: the examples have nothing of namespace nope"),
        ("usage --kubeconfig nope", 3, "Error: there is no kubeconfig nope"),
        (
            "usage --kubeconfig away",
            3,
            "cannot reach the API server http://127.0.0.1:1: Connection",
        ),
        ("install --image a --apply", 2, "name one with --kubeconfig\n"),
        ("uninstall --yes", 2, "name one with --kubeconfig\n"),
        ("convert --from-cluster", 2, "name one with --kubeconfig\n"),
        ("usage --kubeconfig address", 3, ": http://:x is not the address of an API server\n"),
        (
            "usage --kubeconfig plugin",
            3,
            "the kubeconfig plugin cannot be used: ./no-plugin: No such file or directory; name",
        ),
        ("usge", 2, "Error: No such command 'usge'. Did you mean 'usage'?\n"),
        ("certs mkae", 2, "Error: No such command 'mkae'. Did you mean 'make'?\n"),
        (
            "usage --sttae fine",
            2,
            "Error: No such option '--sttae'. (Did you mean one of: '--state'",
        ),
        ("nothing", 2, "Error: No such command 'nothing'.\n"),
        ("doctor", 2, "name one with --kubeconfig, or a folder with --state\n"),
        ("gateway --upstream http://localhost:1", 2, "name a folder of limits with --state"),
        ("gateway --upstream http://localhost:1 --page-tokens t", 2, "--page-tokens needs --state"),
        ("gateway", 2, "Error: --upstream is required"),
        ("check random --state fine", 3, "Error: random/bytes.yaml:1: not text in UTF-8\n"),
        ("usage --state random", 3, "Error: random/bytes.yaml:1: not text in UTF-8\n"),
        ("convert random/bytes.yaml", 3, "Error: random/bytes.yaml:1: not text in UTF-8\n"),
        ("audit --examples --proposed random", 3, "random/bytes.yaml:1: not text in UTF-8\n"),
        ("usage --kubeconfig random/bytes.yaml", 3, "cannot be used: not text in UTF-8; name"),
        ("convert gateway.yaml --namespaces a --out file/x", 3, "Error: file/x: Not a directory\n"),
        (
            "gateway --upstream http://a --state fine --upstream-ca empty.yaml",
            3,
            "Error: no CA certificates in empty.yaml: it is not PEM\n",
        ),
        (
            "doctor --state fine --registry-url https://a --registry-ca nope",
            3,
            "Error: no CA certificates in nope: No such file or directory\n",
        ),
        ("convert nope --namespaces a", 3, "Error: nope does not exist\n"),
        ("convert random --namespaces a", 3, "Error: random/bytes.yaml:1: not text in UTF-8\n"),
        ("audit --examples --proposed nope", 3, "Error: nope does not exist\n"),
        ("convert gateway.yaml --namespaces a --exclude a", 3, "--exclude leaves no namespace\n"),
        ("usage --context a", 2, "there is no kubeconfig nowhere; name one with --kubeconfig"),
        ("serve --config list.yaml", 2, "Error: list.yaml:1: did not find expected node content\n"),
        ("serve --tls-dir nope", 3, "Error: nope/tls.crt and nope/tls.key are missing; make them"),
        ("install --image a --tls-dir empty", 3, "make them with `registry-admission certs make"),
        ("install --image a --apply --kubeconfig away", 3, ": Connection refused\n"),
        ("install --image a --timeout 1m", 2, "Error: --timeout needs --wait"),
        ("doctor --state fine -n team-x", 3, "Error: fine has nothing of namespace team-x\n"),
        ("audit --examples -o policyreport --apply", 2, "--apply needs a cluster"),
        ("convert gateway.yaml --from-cluster", 2, "use only one of FILE and --from-cluster"),
    ],
)
def test_an_error_names_its_cause_in_words_of_the_command(
    place: Path, line: str, code: int, problem: str
) -> None:
    answer = run(line)

    assert answer.exit_code == code, answer.output
    assert problem in answer.stderr


def test_every_command_is_in_the_tables() -> None:
    commands = {*COMMANDS, "completion", "version"}
    assert FINDINGS.keys() == commands
    assert {line.split()[0] for line, _ in CODES} == commands
    found = {line.split()[0] for line, code in CODES if code == ExitCode.FINDINGS}
    assert found == {name for name, text in FINDINGS.items() if text}
    assert MEANING.keys() == set(ExitCode)


def test_no_command_shows_examples_unless_asked(place: Path) -> None:
    for line in ("audit", "usage", f"check {PUSH}"):
        answer = run(line)
        assert answer.stdout == ""
        assert "no cluster: there is no kubeconfig nowhere" in answer.stderr
    for line in ("audit", "usage"):
        assert "these are the examples" in run(f"{line} --examples").stderr


@pytest.mark.parametrize("line", ["usage --watch --state over", "doctor --state over"])
def test_ctrl_c_ends_at_once_and_prints_nothing_more(place: Path, line: str) -> None:
    running = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, *line.split()],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert running.stdout is not None
    assert running.stdout.readline() == "ready\n"
    running.send_signal(signal.SIGINT)
    stdout, stderr = running.communicate(timeout=PATIENCE)
    assert (running.returncode, stdout, stderr) == (ExitCode.INTERRUPTED, "", "")


INTERRUPTED = """
import time
from app.cli import main, read_only_command

def busy(work):
    work.close()
    print("ready", flush=True)
    while True:  # as when a large list is parsed: nothing is awaited
        time.sleep(0.01)

read_only_command.run = busy
main.start()
"""


def test_help_imports_no_library_of_the_service() -> None:
    heavy = ("aiohttp", "cryptography", "fastapi", "httpx", "kubernetes_asyncio", "uvicorn")
    script = f"""
import json, sys
from click.testing import CliRunner
from app.cli.main import COMMANDS, main
found = {{}}
for name in ["", *COMMANDS]:
    answer = CliRunner().invoke(main, [*name.split(), "--help"])
    assert answer.exit_code == 0
    found[name] = [module for module in {heavy!r} if module in sys.modules]
print(json.dumps(found))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == {name: [] for name in ["", *COMMANDS]}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_has_the_first_sentence_of_each_help(name: str) -> None:
    lazy = COMMANDS[name]
    text = (lazy.load().help or "").strip().partition("\n")[0]
    assert text == lazy.help
