"""Logging to standard error: one JSON object per line, or text for people."""

import json
import logging
from typing import Any

from pydantic_core import to_json
from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

from app.config.log_filters import LibraryErrors, RepeatedWarnings
from app.config.setting_types import LogFormat, LogLevel

_TEXT = "%(asctime)s %(levelname)s %(name)s %(message)s"


class TextFormatter(logging.Formatter):
    """One line for each record: the message and its extra fields as `name=value`."""

    def __init__(self) -> None:
        super().__init__(_TEXT)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        extra = (item for item in vars(record).items() if item[0] not in RESERVED_ATTRS)
        shown = (f" {name}={json.dumps(value, default=str)}" for name, value in extra)
        # Escape line breaks from outside, so that they cannot start a forged record.
        message = super().formatMessage(record).replace("\r", "\\r").replace("\n", "\\n")
        return message + "".join(shown)


def configure(level: LogLevel, log_format: LogFormat) -> None:
    """Send every log record to one handler, also those of uvicorn."""
    handler = logging.StreamHandler()
    handler.addFilter(LibraryErrors())
    handler.addFilter(RepeatedWarnings())
    if log_format == "json":
        handler.setFormatter(
            JsonFormatter(
                ["asctime", "levelname", "name", "message"],
                rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
                datefmt="%Y-%m-%dT%H:%M:%S%z",
                json_serializer=_to_json,
            )
        )
    else:
        handler.setFormatter(TextFormatter())
    # Collecting these fields costs time, and neither format shows them.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in ("httpx", "uvicorn"):
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLogger().level))


def _to_json(record: dict[str, Any], **_options: Any) -> str:
    """A fast JSON formatter: each review writes a line. Values of other types become text."""
    return to_json(record, serialize_unknown=True).decode()
