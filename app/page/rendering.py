"""Renders the pages, and reads the style sheet and the icon."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from jinja2 import Environment

from app.cluster.event import timestamp
from app.page.bars import bar
from app.page.rows import COLUMNS
from app.policy.fullness import Level
from app.reporting.html.environment import environment
from app.reporting.numbers import in_flight, percent, readable, untagged
from app.version import VERSION

_DIGEST = re.compile(r"(sha256:[0-9a-f]{64})")
STYLE = "/page/style.css"
ICON = "/page/icon.svg"


_ABSENT: Mapping[str, Any] = MappingProxyType(
    {"problems": (), "query": None, "seen": 0, "session": False, "viewer": None}
)
"""The template's values for pages that do not set them."""


@dataclass(frozen=True)
class Renderer:
    """Makes the pages of one cluster."""

    cluster: str = ""
    """The name of the cluster in titles."""
    docs: str = ""
    """The address of the documentation, for links from reasons to their entries."""
    commands: bool = True
    """Whether kubectl can change the limits. It cannot change those in a gateway's folder."""

    def render(self, template: str, **values: Any) -> str:
        own = {"cluster": self.cluster, "entry": self._entry, "commands": self.commands}
        return _templates().get_template(f"{template}.html.j2").render({**_ABSENT, **own, **values})

    def _entry(self, reason: str) -> str:
        """The address of the entry for a reason; "" without documentation."""
        return f"{self.docs.rstrip('/')}/troubleshooting/#{reason.lower()}" if self.docs else ""


@cache
def style() -> str:
    """The style sheet: the common part of all HTML of the project, and the part of the page."""
    shared = resources.files("app.reporting.html").joinpath("templates", "base.css").read_text()
    return shared + resources.files("app.page").joinpath("static", "page.css").read_text()


@cache
def icon() -> str:
    return resources.files("app.page").joinpath("static", "icon.svg").read_text()


def namespace_path(namespace: str) -> str:
    return f"/page/namespaces/{quote(namespace, safe='')}"


def stream_path(namespace: str, stream: str) -> str:
    """The path of a stream's page. A gateway's streams may have slashes in their names."""
    return f"{namespace_path(namespace)}/streams/{quote(stream)}"


@cache
def _templates() -> Environment:
    made = environment("app.page")
    assets = hashlib.sha256((style() + icon()).encode()).hexdigest()[:12]
    made.globals.update(
        style_link=f"{STYLE}?v={assets}",
        icon_link=f"{ICON}?v={assets}",
        version=VERSION,
        columns=COLUMNS,
        stream_path=stream_path,
        untagged_text=untagged,
        in_flight_text=in_flight,
    )
    made.filters.update(
        amount=_amount,
        bar=bar,
        grouped=_grouped,
        percent=percent,
        namespace_path=namespace_path,
        time=_time,
        clock_time=_clock_time,
        sentences=_sentences,
        rfc3339=timestamp,
        ago=_ago,
        age=_age,
    )
    return made


def _sentences(message: str) -> list[tuple[str, str]]:
    """A message as pairs of a text and the digest that follows it; each may be empty."""
    parts = _DIGEST.split(message)
    return list(zip(parts[::2], [*parts[1::2], ""], strict=True))


def _grouped(number: int) -> str:
    """A number such as `12,345`."""
    return f"{number:,}"


def _amount(level: Level, number: int) -> str:
    """A number of bytes in a readable unit, or a count."""
    return readable(number) if level.resource == "storage" else _grouped(number)


def _time(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"


def _clock_time(seconds: float) -> str:
    """The time of day, without the date."""
    return f"{datetime.fromtimestamp(seconds, UTC):%H:%M} UTC"


def _age(seconds: float) -> str:
    return f"{max(int(seconds), 0)} s" if seconds < 120 else f"{int(seconds // 60)} min"


def _ago(seconds: float) -> str:
    """An age in whole minutes or hours."""
    minutes = max(int(seconds // 60), 0)
    if minutes < 1:
        return "just now"
    return f"{minutes} min ago" if minutes < 60 else f"{minutes // 60} h ago"
