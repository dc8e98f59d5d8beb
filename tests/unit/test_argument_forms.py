"""An argument that lacks the form of its kind is wrong use, and the error names the form."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from app.cli.exit_codes import ExitCode
from app.cli.main import main
from app.policy.names import is_image, is_selector

NAMESPACE = "is not the name of a namespace"
IMAGE = "is not the name of an image, [HOST[:PORT]/]PATH[:TAG][@DIGEST]"
SELECTOR = "is not a label selector such as team=a,tier!=test"
HOST = "is not host[:port]"
CERTIFICATE = "is neither a DNS name nor an IP address"
DURATION = "is not a duration such as 5s, 1m30s or 500ms"
ADDRESS = "is not of the form http(s)://host[:port]"
DIGEST = "sha256:" + "a" * 64
INSTALL = "install --image a"
SHOW = "serve --show-settings"
GATEWAY = "gateway --upstream http://registry:5000"

WRONG = [
    ("install --image=", IMAGE),
    ("install --image -a", IMAGE),
    ("install --image https://registry/a", IMAGE),
    ("install --image a:b:c", IMAGE),
    ("install --image registry:70000/a", IMAGE),
    (f"{INSTALL} --service-namespace a_b", NAMESPACE),
    (f"{INSTALL} --registry-namespace A", NAMESPACE),
    (f"{INSTALL} --replicas 0", "0 is not in the range x>=1"),
    (f"{INSTALL} --mode wrn", "'wrn' is not one of 'enforce', 'warn', 'audit'"),
    (f"{INSTALL} --controllers x", "'x' is not one of pull-secrets, "),
    (f"{INSTALL} --timeout 5minutes", DURATION),
    ("uninstall --dry-run --service-namespace a_b", NAMESPACE),
    ("certs make --name a_b", CERTIFICATE),
    ("certs make --name host:443", CERTIFICATE),
    ("certs make --name 300.0.0.1", CERTIFICATE),
    ("certs make --name a,,b", "a name in the list is empty"),
    ("certs client --name=", "a common name has 1 to 64 characters"),
    (f"certs client --name {'a' * 65}", "a common name has 1 to 64 characters"),
    ("certs client --server https://webhook", HOST),
    ("certs client --mounted etc/tls", "'etc/tls' is not an absolute path"),
    ("convert file --namespaces Team_A", NAMESPACE),
    ("convert file --config-map a", "'a' is not of the form NAMESPACE/NAME"),
    ("convert file --config-map a/b/c", "'a/b/c' is not of the form NAMESPACE/NAME"),
    ("convert file --tags-per-namespace -1", "-1 is not in the range x>=0"),
    ("usage --examples -n A", NAMESPACE),
    ("usage --examples Team", NAMESPACE),
    ("usage --examples -l a=b=c", SELECTOR),
    ("usage --examples --service-namespace a_b", NAMESPACE),
    ("usage --examples --top -1", "-1 is not in the range x>=0"),
    ("audit --examples -n /", NAMESPACE),
    ("audit --examples --service-namespace -", NAMESPACE),
    ("doctor -n A", NAMESPACE),
    ("doctor --service-namespace a_b", NAMESPACE),
    ("doctor --registry-url registry", "it must be https://host[:port]"),
    ("check file --registry-hosts a/b", HOST),
    ("check file --trusted-ca-namespace a_b", NAMESPACE),
    (f"{SHOW} --host a/b", "is not a host name or an IP address"),
    (f"{SHOW} --service-namespace a_b", NAMESPACE),
    (f"{SHOW} --registry-namespace a_b", NAMESPACE),
    (f"{SHOW} --limits-selector a=b=c", SELECTOR),
    (f"{SHOW} --docs-url ftp://docs", ADDRESS),
    (f"{SHOW} --watch-lag fast", DURATION),
    (f"{SHOW} --watch-lag 0s", "watch-lag: Input should be greater than 0"),
    (f"{SHOW} --legacy-modes a=b", "is not <namespace pattern>=enforce|warn|off"),
    (f"{SHOW} --max-body-bytes 1Mi", "max-body-bytes: Input should be a valid integer"),
    (f"{GATEWAY} --external-url registry", ADDRESS),
    (f"{GATEWAY} --upstream-token-hosts a/b", HOST),
    (f"{GATEWAY} --upstream-storage-hosts http://a", HOST),
    ("gateway --upstream registry", ADDRESS),
]
WITH_SPACES = [
    (["install", "--image", "has space"], IMAGE),
    (["certs", "make", "--name", "a b"], CERTIFICATE),
    (["usage", "--examples", "-n", "a b"], NAMESPACE),
    ([*SHOW.split(), "--watch-lag", "5 s"], DURATION),
]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [*((line.split(" "), problem) for line, problem in WRONG), *WITH_SPACES],
)
def test_a_wrong_form_is_wrong_use_and_does_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], problem: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()

    answer = CliRunner(env={"COLUMNS": "300"}).invoke(main, arguments)

    assert answer.exit_code == ExitCode.USAGE, answer.output
    assert problem in answer.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("a", True),
        ("HOST/registry-admission:TAG", True),
        ("registry.example.com:5000/team/app:v1.0", True),
        ("[::1]:5000/app", True),
        (f"localhost/app@{DIGEST}", True),
        (f"a/b__c/d--e:v1@{DIGEST}", True),
        ("registry:5000/", False),
        ("a/B", False),
        ("a_", False),
        ("a@sha256:1", False),
        (f"a:{'t' * 129}", False),
        ("[10.0.0.1]/a", False),
        ("a\n", False),
    ],
)
def test_the_name_of_an_image(text: str, valid: bool) -> None:
    assert is_image(text) == valid


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("team", True),
        ("!team", True),
        ("team=a, example.com/tier != test", True),
        ("team==a,tier=", True),
        ("team in (a, b),tier notin (test)", True),
        ("", False),
        ("team=a,", False),
        ("team in a", False),
        ("-team=a", False),
        ("team=a b", False),
    ],
)
def test_a_label_selector(text: str, valid: bool) -> None:
    assert is_selector(text) == valid
