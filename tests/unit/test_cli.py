"""The commands, as a person types them."""

import json
import pkgutil
import re
import socket
import tomllib
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from cryptography import x509

from app.certs import files
from app.cli.exit_codes import ExitCode
from app.cli.main import complete_for_kubectl, main, start
from app.version import VERSION
from tests import payloads

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
    assert "registry_url: it must be https://host[:port]; credentials belong" in answer.output
    assert "secret" not in answer.output


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        pytest.param(b"port: x", "port: Input should be a valid integer", id="a wrong value"),
        pytest.param(b"prot: 1", "prot: there is nothing of this name", id="a wrong name"),
        pytest.param(b"- port: 1", "`setting: value` lines", id="a list"),
        pytest.param(b"port: [", "config.yaml: while parsing", id="no YAML"),
        pytest.param(b"[" * 50_000, "nested deeper than 100 levels", id="nested deeply"),
        pytest.param(b"\xff", "config.yaml: 'utf-8' codec", id="no text"),
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


def test_taken_port_is_named_with_the_next_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        answer = run("serve", "--port", str(port))

    assert answer.exit_code == 3
    assert f"cannot listen on 127.0.0.1 port {port}: Address already in use" in answer.output
    assert "choose others with --host and --port" in answer.output


def test_a_state_folder_that_is_broken_ends_serve_with_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("kind: [")

    answer = run("serve", "--state", str(tmp_path), "--tls-dir", str(tmp_path))

    assert answer.exit_code == 3
    assert f"{tmp_path}/bad.yaml:1: " in answer.output


@pytest.mark.parametrize(("name", "code"), [("push-allowed", 0), ("push-too-large", 1)])
def test_check_decides_reviews(name: str, code: int) -> None:
    answer = run("check", str(payloads.FOLDER / f"{name}.json"), "--examples", "-o", "json")

    [result] = json.loads(answer.stdout)["items"]
    assert answer.exit_code == code
    assert result["allowed"] is (code == 0)
    assert result["object"] == "ImageStreamMapping team-a/app"


@pytest.mark.parametrize("output", ["table", "json", "yaml"])
def test_check_decides_manifests_and_names_file_and_line(tmp_path: Path, output: str) -> None:
    file = tmp_path / "limits.yaml"
    file.write_text(
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: team-a}\n---\n"
        "apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: q, namespace: team-a}\n"
        "spec: {hard: {alauda.io/image_tags: 5}}\n"
    )

    answer = run("check", str(file), "--examples", "-o", output)

    assert answer.exit_code == 1
    assert "alauda.io/image-tags" in answer.output
    if output != "table":
        results = yaml.safe_load(answer.stdout)["items"]
        assert [(result["line"], result["allowed"]) for result in results] == [
            (1, True),
            (5, False),
        ]


def verdicts(answer: Result) -> list[tuple[str, bool]]:
    return [(result["object"], result["allowed"]) for result in json.loads(answer.stdout)["items"]]


def manifest(kind: str, metadata: str, spec: str) -> str:
    group = "v1" if kind in ("LimitRange", "ResourceQuota") else "image.alauda.io/v1"
    return f"apiVersion: {group}\nkind: {kind}\nmetadata: {{{metadata}}}\nspec: {spec}\n---\n"


ONE_STREAM = manifest("ResourceQuota", "name: q", "{hard: {alauda.io/imagestreams: 1}}")
TWO_STREAMS = "".join(manifest("ImageStream", f"name: {name}", "{}") for name in ("one", "two"))


def no_limits(folder: Path) -> None:
    folder.mkdir()
    (folder / "namespace.yaml").write_text(manifest("Namespace", "name: team-a", "{}"))


def test_check_counts_earlier_files(tmp_path: Path) -> None:
    (tmp_path / "limits.yaml").write_text(ONE_STREAM)
    (tmp_path / "streams.yaml").write_text(TWO_STREAMS)
    no_limits(tmp_path / "state")
    limits, streams = str(tmp_path / "limits.yaml"), str(tmp_path / "streams.yaml")

    answer = run(
        "check", limits, streams, streams, "--state", str(tmp_path / "state"), "-o", "json"
    )

    assert answer.exit_code == 1
    assert verdicts(answer) == [
        ("ResourceQuota default/q", True),
        *[("ImageStream default/one", True), ("ImageStream default/two", False)] * 2,
    ]


def test_check_holds_an_image_against_a_limit_that_comes_with_it(tmp_path: Path) -> None:
    no_limits(tmp_path / "state")
    file = tmp_path / "limits.yaml"
    limit = "{limits: [{type: alauda.io/Image, max: {storage: 1Gi}}]}"
    file.write_text(manifest("LimitRange", "name: l, namespace: team-a", limit))
    push = str(payloads.FOLDER / "push-too-large.json")

    before = run("check", push, "--state", str(tmp_path / "state"))
    after = run("check", str(file), push, "--state", str(tmp_path / "state"))

    assert (before.exit_code, after.exit_code) == (0, 1)
    assert f"{push}:1: ImageStreamMapping team-a/app: requested usage of storage" in after.output


def test_check_reads_standard_input_and_folders(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(ONE_STREAM)
    (tmp_path / "b.yaml").write_text(TWO_STREAMS)
    (tmp_path / "notes.txt").write_text("none of our business")
    state = str(tmp_path / ".state")
    no_limits(Path(state))

    piped = CliRunner().invoke(
        main, ["check", "-", "--state", state, "-o", "json"], input=ONE_STREAM + TWO_STREAMS
    )
    folder = run("check", str(tmp_path), "--state", state, "-o", "json")

    assert [result["file"] for result in json.loads(piped.stdout)["items"]] == ["stdin"] * 3
    assert verdicts(piped) == verdicts(folder)
    assert piped.exit_code == folder.exit_code == 1


def test_check_names_empty_standard_input_as_in_its_table() -> None:
    answer = CliRunner().invoke(main, ["check", "-", "--examples"], input="")

    assert answer.stderr == "Error: stdin:1: there is no object in this file\n"


def test_check_tells_a_finding_of_mode_warn_once(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "quota.yaml").write_text(
        "{apiVersion: v1, kind: ResourceQuota, metadata: {name: q, namespace: team-a, annotations: "
        "{registry-admission.alauda.io/mode: warn}}, "
        'spec: {hard: {alauda.io/imagestreams: "0"}}}'
    )
    (tmp_path / "stream.yaml").write_text(
        "{apiVersion: image.alauda.io/v1, kind: ImageStream, "
        f"metadata: {{name: {'a' * 60}, namespace: team-a}}}}"
    )

    answer = run("check", str(tmp_path / "stream.yaml"), "--state", str(tmp_path / "state"))

    assert answer.exit_code == 0
    assert answer.output.count("would be refused: ") == 1
    assert answer.output.count("or raise spec.hard of ResourceQuota team-a/q") == 1


def test_the_help_ends_with_every_exit_code() -> None:
    last = run("--help").output.splitlines()[-1]

    assert last.strip().startswith("Exit codes: ")
    assert [int(number) for number in re.findall(r"\d+", last)] == list(ExitCode)


def test_check_puts_objects_without_namespace_into_default(
    tmp_path: Path,
) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "quota.yaml").write_text(ONE_STREAM)
    (tmp_path / "streams.yaml").write_text(TWO_STREAMS)

    answer = run("check", str(tmp_path / "streams.yaml"), "--state", str(tmp_path / "state"))

    assert answer.exit_code == 1
    assert "exceeded quota: q" in answer.output


def test_check_prints_a_replacement_that_can_be_copied() -> None:
    answer = run("check", str(payloads.FOLDER / "configmap-legacy.json"), "--examples")

    shown = answer.output[answer.output.index("---\n") :]
    assert [document["kind"] for document in yaml.safe_load_all(shown)][0:1] == ["LimitRange"]


def test_check_of_an_unreadable_file_has_its_own_exit_code(tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text("kind: [")

    answer = run("check", str(file), "--examples")

    assert answer.exit_code == 3
    assert f"{file}:1: " in answer.output


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
