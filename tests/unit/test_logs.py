"""The fields of a log line."""

import errno
import io
import json
import logging
import re
from collections.abc import Callable
from typing import Any

import pytest
from kubernetes_asyncio.client.exceptions import ApiException
from multidict import CIMultiDict, CIMultiDictProxy

from app.config import logs
from app.config.log_filters import LibraryErrors, RepeatedWarnings
from app.config.setting_types import LogFormat, LogLevel

Log = Callable[[logging.Logger, str, dict[str, Any]], None]
LOG_CALLS = pytest.mark.parametrize(
    "log",
    [
        pytest.param(lambda logger, *said: logger.info(said[0], extra=said[1]), id="logging"),
        pytest.param(logs.info, id="logs"),
    ],
)
"""Both ways to write a line at level info."""


def logged(
    log_format: LogFormat,
    monkeypatch: pytest.MonkeyPatch,
    log: Log,
    least: LogLevel = "info",
    stream: io.StringIO | None = None,
) -> str:
    stream = stream or io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        logs.configure(least, log_format)
        extra = {"uid": "u-1", "reasons": ["ImageTooLarge"], "problem": "limits.yaml:1: a\nb"}
        log(logging.getLogger("registry_admission.test"), "denied", extra)
    finally:
        root.handlers[:], root.level = handlers, level
    return stream.getvalue()


class NoStream(io.StringIO):
    """A file on a full disk."""

    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, "no space left")


@LOG_CALLS
@pytest.mark.parametrize("log_format", ["json", "text"])
def test_a_line_that_cannot_be_written_is_lost_without_an_error(
    log: Log, log_format: LogFormat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)

    assert logged(log_format, monkeypatch, log, stream=NoStream()) == ""


@LOG_CALLS
def test_json_has_one_object_per_line(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    line = logged("json", monkeypatch, log)
    record = json.loads(line)

    assert line.count("\n") == 1
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}", record.pop("time"))
    assert record == {
        "level": "INFO",
        "logger": "registry_admission.test",
        "message": "denied",
        "uid": "u-1",
        "reasons": ["ImageTooLarge"],
        "problem": "limits.yaml:1: a\nb",
    }


@LOG_CALLS
@pytest.mark.parametrize("log_format", ["json", "text"])
def test_a_level_above_info_drops_the_line(
    log_format: LogFormat, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not logged(log_format, monkeypatch, log, "warning")


def test_json_has_the_traceback_of_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(logger: logging.Logger, *_: Any) -> None:
        try:
            raise OSError("disk on fire")
        except OSError:
            logger.exception("deciding failed", extra={"namespace": "team-a"})

    record = json.loads(logged("json", monkeypatch, fail))

    assert (record["level"], record["namespace"]) == ("ERROR", "team-a")
    assert record["exc_info"].splitlines()[-1] == "OSError: disk on fire"


@LOG_CALLS
def test_text_log_has_all_fields_on_one_line(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    line = logged("text", monkeypatch, log)

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


def test_a_warning_that_repeats_is_remembered_longer_than_others() -> None:
    filtered = RepeatedWarnings(Clock())

    assert filtered.filter(record("busy"))
    for number in range(1000):
        filtered.filter(record("broken", object=number))
        assert not filtered.filter(record("busy"))


def test_an_error_of_the_kubernetes_client_is_one_line() -> None:
    error = ApiException(status=404, reason="Not Found")
    error.headers, error.body = CIMultiDictProxy(CIMultiDict({"Audit-Id": "1"})), b'{"kind": 1}'
    failed = record("Failed to create lock")
    failed.name, failed.exc_info = "kubernetes_asyncio.lock", (ApiException, error, None)

    assert LibraryErrors().filter(failed)

    assert failed.exc_info is None
    assert vars(failed)["problem"] == "(404) Reason: Not Found"
