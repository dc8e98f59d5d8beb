"""The commands, as a person types them."""

import pkgutil
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from cryptography import x509

from app.api.server import listen
from app.certs import files
from app.cli.exit_codes import ExitCode
from app.cli.main import complete_for_kubectl, main, start
from app.version import VERSION

ROOT = Path(__file__).parents[2]


def run(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "300"}).invoke(main, arguments)


def test_the_console_scripts_lead_to_the_command_tested_here() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]

    targets = {name: pkgutil.resolve_name(target) for name, target in scripts.items()}
    assert targets == {
        "registry-admission": start,
        "kubectl-registry_limits": start,
        "kubectl_complete-registry_limits": complete_for_kubectl,
    }


def test_version() -> None:
    assert run("version").output == f"registry-admission {VERSION}\n"
    assert run("--version").output == run("version").output


@pytest.mark.parametrize("command", ["serve", "check", "certs", "completion"])
def test_every_command_has_help(command: str) -> None:
    answer = run(command, "--help")

    assert answer.exit_code == 0
    assert command in answer.output


def test_help_groups_flags() -> None:
    text = run("usage", "--help").output
    parts = ("Options:", "  --top", "Source:", "  --state", "Settings:")
    places = [text.index(f"\n{part}") for part in parts]
    assert places == sorted(places)
    assert text.index("  --kubeconfig") < text.index("Settings:") < text.index("  --api-domain")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str) -> None:
    assert "_REGISTRY_ADMISSION_COMPLETE" in run("completion", shell).output


def test_settings_are_printed_and_not_served() -> None:
    answer = run("serve", "--show-settings", "--unknown-size", "warn")

    settings = yaml.safe_load(answer.output)
    assert answer.exit_code == 0
    assert settings["unknown_size"] == "warn"
    assert settings["legacy_modes"] == ["*=enforce"]


def test_printed_settings_are_a_file_of_settings(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    printed = run("serve", "--show-settings", "--watch-lag", "1500ms").output
    file.write_text(printed)

    assert "watch_lag: 1.5s\n" in printed
    assert run("serve", "--show-settings", "--config", str(file)).output == printed


@pytest.mark.parametrize(
    ("length", "problem"),
    [
        ("5 minutes", "'5 minutes' is not a duration such as 5s, 1m30s or 500ms"),
        ("0s", "it has to be longer than 0s"),
    ],
)
def test_a_wrong_duration_is_a_usage_error(length: str, problem: str) -> None:
    answer = run("install", "--image", "service", "--apply", "--wait", "--timeout", length)

    assert answer.exit_code == 2
    assert problem in answer.output


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("serve", "--watch-lag DURATION"),
        ("serve", "[default: 2m30s]"),
        ("gateway", "[default: 15m]"),
        ("install", "--timeout DURATION"),
        ("install", "[default: 3m]"),
    ],
)
def test_help_shows_durations_with_their_unit(command: str, shown: str) -> None:
    assert shown in " ".join(run(command, "--help").output.split())


def test_a_wrong_setting_is_a_usage_error_that_names_it() -> None:
    answer = run("serve", "--port", "many")

    assert answer.exit_code == 2
    assert "port: Input should be a valid integer" in answer.output


def test_settings_hold_no_secrets() -> None:
    answer = run("serve", "--show-settings", "--registry-url", "https://user:secret@example.com")

    assert answer.exit_code == 2
    problem = "registry-url: it must be https://host[:port]; credentials belong into registry-auth"
    assert problem in answer.output
    assert "secret" not in answer.output


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        pytest.param(b"port: x", "port: Input should be a valid integer", id="a wrong value"),
        pytest.param(b"prot: 1", "prot: there is nothing of this name", id="a wrong name"),
        pytest.param(b"- port: 1", "`setting: value` lines", id="a list"),
        pytest.param(b"port: [", "config.yaml:1: did not find expected node content", id="no YAML"),
        pytest.param(b"[" * 50_000, "nested deeper than 100 levels", id="nested deeply"),
        pytest.param(b"\xff", "config.yaml: not text in UTF-8", id="no text"),
    ],
)
def test_a_settings_file_that_is_wrong_is_a_usage_error(
    tmp_path: Path, content: bytes, problem: str
) -> None:
    file = tmp_path / "config.yaml"
    file.write_bytes(content)

    answer = run("serve", "--config", str(file), "--show-settings")

    assert answer.exit_code == 2
    assert problem in answer.output


def test_an_empty_settings_file_sets_nothing(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").touch()

    answer = run("serve", "--config", str(tmp_path / "config.yaml"), "--show-settings")

    assert yaml.safe_load(answer.output)["port"] == 8443


@pytest.mark.parametrize("command", [("serve",), ("gateway", "--upstream", "http://127.0.0.1:1")])
def test_taken_port_is_named_with_the_next_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    """The port belongs to a process that has not begun to serve."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "limits.yaml").write_text("kind: List\nitems: []\n")
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        answer = run(*command, "--state", str(tmp_path), "--port", str(port))

    assert answer.exit_code == 3
    assert f"cannot listen on 127.0.0.1 port {port}: Address already in use" in answer.output
    assert "choose others with --host and --port" in answer.output


def test_a_state_folder_that_is_broken_ends_serve_with_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("kind: [")

    answer = run("serve", "--state", str(tmp_path), "--tls-dir", str(tmp_path))

    assert answer.exit_code == 3
    assert f"{tmp_path}/bad.yaml:1: " in answer.output


def test_the_help_ends_with_every_exit_code() -> None:
    _, _, last = run("--help").output.partition("\n  Exit codes: ")

    assert [int(number) for number in re.findall(r"\d+", last)] == list(ExitCode)


@pytest.mark.parametrize("command", ["check", "convert"])
def test_deeply_nested_file_is_refused(tmp_path: Path, command: str) -> None:
    file = tmp_path / "deep.json"
    file.write_text('{"a":' * 50_000)

    answer = run(command, str(file))

    assert answer.exit_code != 0
    assert f"{file}:1: nested deeper than 100 levels" in answer.output


def test_certs_make_writes_a_certificate(tmp_path: Path) -> None:
    answer = run("certs", "make", "--out", str(tmp_path / "tls"), "--name", "webhook.example.svc")

    assert answer.exit_code == 0, answer.output
    assert {path.name for path in (tmp_path / "tls").iterdir()} == {
        "ca.crt", "ca.key", "tls.crt", "tls.key",
    }  # fmt: skip


def test_certs_client_writes_what_an_api_server_needs(tmp_path: Path) -> None:
    """The end-to-end tests start a real API server with these files."""
    for _ in range(2):
        answer = run("certs", "client", "--out", str(tmp_path), "--mounted", "/etc/webhooks/")
        assert answer.exit_code == 0, answer.output

    admission = yaml.safe_load((tmp_path / "admission.yaml").read_text())
    assert {
        (plugin["name"], plugin["configuration"]["kubeConfigFile"])
        for plugin in admission["plugins"]
    } == {
        (f"{kind}AdmissionWebhook", "/etc/webhooks/webhooks.kubeconfig")
        for kind in ("Validating", "Mutating")
    }
    [user] = yaml.safe_load((tmp_path / "webhooks.kubeconfig").read_text())["users"]
    assert user["name"] == "registry-admission.registry-admission.svc"
    assert {(tmp_path / path).exists() for path in user["user"].values()} == {True}
    assert (tmp_path / "client.key").stat().st_mode & 0o777 == 0o600
    pair = files.read(tmp_path / "client.crt", tmp_path / "client.key")
    [name] = x509.load_pem_x509_certificate(pair.certificate).subject
    assert name.value == "kube-apiserver"


def test_certs_make_names_an_unwritable_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    answer = run("certs", "make", "--out", str(tmp_path / "file" / "tls"))

    assert answer.exit_code == 3
    assert "tls" in answer.output


@pytest.mark.parametrize(
    "given",
    [
        ("--controllers", "pull-secrets,namespace-limits"),
        ("--controllers", "pull-secrets", "--controllers", "namespace-limits"),
        ("--controllers", "pull-secrets, namespace-limits", "--controllers", "pull-secrets"),
    ],
)
def test_a_list_is_written_with_commas_or_by_repeating_its_flag(given: tuple[str, ...]) -> None:
    printed = run("install", "--image", "service", *given).stdout

    args = ("--controllers=pull-secrets", "--controllers=namespace-limits")
    assert all(printed.count(one) == 1 for one in args)
    assert "--controllers=s3-credentials" not in printed


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("install", "--image", "i", "--controllers", "a"), "'a' is not one of pull-secrets, "),
        (("install", "--image", "i", "--controllers", ""), "a name in the list is empty"),
        (("usage", "--examples", "-n", ""), "a name in the list is empty"),
        (("audit", "--examples", "-n", "team-a,"), "a name in the list is empty"),
        (("doctor", "-n", ","), "a name in the list is empty"),
        (("convert", "x", "--exclude", ""), "a name in the list is empty"),
    ],
)
def test_a_list_with_an_unknown_or_empty_name_is_a_usage_error(
    tmp_path: Path, arguments: tuple[str, ...], problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unset variable of a shell must not stand for all namespaces."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x").touch()

    answer = run(*arguments)

    assert answer.exit_code == 2
    assert problem in answer.output


def test_namespaces_are_a_list() -> None:
    named = run("usage", "--examples", "-n", "team-a,team-b", "-o", "name").stdout

    assert sorted(named.split()) == ["namespace/team-a", "namespace/team-b"]
