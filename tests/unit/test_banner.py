"""The text that a server prints when it has started."""

from pathlib import Path

import pytest

from app.certs import files
from app.wiring.banner import announce, banner


@pytest.mark.parametrize(
    ("host", "names", "address", "tried"),
    [
        ("127.0.0.1", ["127.0.0.1"], "https://127.0.0.1:1", True),
        ("0.0.0.0", ["localhost"], "https://localhost:1", True),
        ("0.0.0.0", ["127.0.0.1"], "https://127.0.0.1:1", True),
        ("127.0.0.1", ["webhook.example.svc"], "https://127.0.0.1:1", False),
    ],
)
def test_the_first_request_uses_a_name_of_the_certificate(
    tmp_path: Path, host: str, names: list[str], address: str, tried: bool
) -> None:
    files.make(tmp_path, names)
    text = banner(host, 1, tmp_path, on_examples=True)
    assert text.startswith(f"registry-admission listens on {address}\nIt decides on the examples")
    assert (f"{address}/validate" in text) is tried


def test_limits_that_are_real_are_not_tried_with_an_example(tmp_path: Path) -> None:
    files.make(tmp_path, ["localhost"])
    text = banner("localhost", 1, tmp_path, on_examples=False)
    assert text == "registry-admission listens on https://localhost:1"


def test_in_a_pod_the_address_is_a_record_of_the_log(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    with caplog.at_level("INFO"):
        announce("registry-admission listens on https://a:8443")

    assert [record.getMessage() for record in caplog.records] == [
        "registry-admission listens on https://a:8443"
    ]
    assert capsys.readouterr().out == ""


def test_outside_of_a_cluster_the_address_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    announce("registry-admission listens on https://a:8443")

    assert capsys.readouterr().out == "registry-admission listens on https://a:8443\n"
