"""What a line of the log carries."""

import io
import json
import logging

import pytest
from kubernetes_asyncio.client.exceptions import ApiException
from multidict import CIMultiDict, CIMultiDictProxy

from app.config import logs
from app.config.log_filters import LibraryErrors, RepeatedWarnings
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


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def record(message: str, level: int = logging.WARNING, **extra: object) -> logging.LogRecord:
    logger = logging.getLogger("registry_admission.test")
    return logger.makeRecord(logger.name, level, "file", 1, message, (), None, extra=extra)


def test_an_equal_warning_is_shown_once_a_minute_with_the_number_of_others() -> None:
    clock = Clock()
    filtered = RepeatedWarnings(clock)

    shown = [filtered.filter(record("no heartbeat", problem="gone")) for _ in range(50)]
    clock.now = 60.0
    again = record("no heartbeat", problem="gone")

    assert shown == [True, *[False] * 49]
    assert filtered.filter(again)
    assert vars(again)["repeated"] == 49


@pytest.mark.parametrize(
    "other",
    [
        record("no heartbeat", problem="slow"),
        record("no lease", problem="gone"),
        record("no heartbeat", logging.ERROR, problem="gone"),
        record("no heartbeat", problem="gone", namespace="team-a"),
    ],
    ids=["problem", "message", "level", "field"],
)
def test_another_warning_is_shown_at_once(other: logging.LogRecord) -> None:
    filtered = RepeatedWarnings(Clock())

    assert filtered.filter(record("no heartbeat", problem="gone"))
    assert filtered.filter(other)


def test_equal_refusals_are_all_shown() -> None:
    filtered = RepeatedWarnings(Clock())

    assert all(filtered.filter(record("denied", logging.INFO, uid="u")) for _ in range(3))


def test_remembered_warnings_are_bounded() -> None:
    filtered = RepeatedWarnings(Clock())

    for number in range(1000):
        filtered.filter(record("broken", object=number))

    assert filtered.filter(record("broken", object=0))
    assert not filtered.filter(record("broken", object=999))


def test_an_error_of_the_kubernetes_client_is_one_line() -> None:
    error = ApiException(status=404, reason="Not Found")
    error.headers, error.body = CIMultiDictProxy(CIMultiDict({"Audit-Id": "1"})), b'{"kind": 1}'
    failed = record("Failed to create lock")
    failed.name, failed.exc_info = "kubernetes_asyncio.lock", (ApiException, error, None)

    assert LibraryErrors().filter(failed)

    assert failed.exc_info is None
    assert vars(failed)["problem"] == "(404) Reason: Not Found"
