"""What a line of the log carries."""

import io
import json
import logging

import pytest

from app.config import logs
from app.config.setting_types import LogFormat


def logged(log_format: LogFormat, monkeypatch: pytest.MonkeyPatch) -> str:
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        logs.configure("info", log_format)
        extra = {"uid": "u-1", "reasons": ["ImageTooLarge"], "problem": "limits.yaml:1: a\nb"}
        logging.getLogger("registry_admission.test").info("denied", extra=extra)
    finally:
        root.handlers[:], root.level = handlers, level
    return stream.getvalue()


def test_json_has_one_object_per_line(monkeypatch: pytest.MonkeyPatch) -> None:
    record = json.loads(logged("json", monkeypatch))

    assert record.pop("time")
    assert record == {
        "level": "INFO",
        "logger": "registry_admission.test",
        "message": "denied",
        "uid": "u-1",
        "reasons": ["ImageTooLarge"],
        "problem": "limits.yaml:1: a\nb",
    }


def test_text_log_has_all_fields_on_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    line = logged("text", monkeypatch)

    assert line.endswith(
        'INFO registry_admission.test denied uid="u-1" reasons=["ImageTooLarge"] '
        'problem="limits.yaml:1: a\\nb"\n'
    )
    assert line.count("\n") == 1
