"""Logging: one JSON object per line on standard error, or text for people."""

import json
import logging
from typing import Any

from pydantic_core import to_json
from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

from app.config.setting_types import LogFormat, LogLevel

_TEXT = "%(asctime)s %(levelname)s %(name)s %(message)s"


class TextFormatter(logging.Formatter):
    """One line per record: the message, and `name=value` for everything that it carries."""

    def __init__(self) -> None:
        super().__init__(_TEXT)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        extra = (item for item in vars(record).items() if item[0] not in RESERVED_ATTRS)
        shown = (f" {name}={json.dumps(value, default=str)}" for name, value in extra)
        # A line break that came from outside starts no record of its own.
        message = super().formatMessage(record).replace("\r", "\\r").replace("\n", "\\n")
        return message + "".join(shown)


def configure(level: LogLevel, log_format: LogFormat) -> None:
    """Send every log record to one handler; uvicorn's own loggers included."""
    handler = logging.StreamHandler()
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
    # Each record would be asked for them, and neither format shows them.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in ("httpx", "uvicorn"):
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLogger().level))


def _to_json(record: dict[str, Any], **_options: Any) -> str:
    """Each review writes a line, so writing it must cost little; a value of any type is text."""
    return to_json(record, serialize_unknown=True).decode()
