"""Flags that take durations."""

from collections.abc import Callable
from typing import Any

import click

from app.config import durations

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

METAVAR = "DURATION"
"""The value of such a flag in the help: `5s`, `1m30s`, `500ms` or a number of seconds."""


def _duration(_context: click.Context, _parameter: click.Parameter, value: str) -> float:
    try:
        length = durations.seconds(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    if length <= 0:
        raise click.BadParameter("it has to be longer than 0s")
    return length


def option(name: str, *, default: str, text: str) -> Decorator:
    """An option whose value is longer than zero; the command gets seconds."""
    return click.option(
        name, metavar=METAVAR, default=default, show_default=True, callback=_duration, help=text
    )
