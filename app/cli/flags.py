"""Flags whose values are durations, or lists of words."""

from collections.abc import Callable, Sequence
from typing import Any

import click
from click.shell_completion import CompletionItem

from app.config import durations

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]
Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]

DURATION = "DURATION"
"""A duration in the help: `5s`, `1m30s`, `500ms` or a number of seconds."""


def _duration(_context: click.Context, _parameter: click.Parameter, value: str) -> float:
    try:
        length = durations.seconds(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    if length <= 0:
        raise click.BadParameter("it has to be longer than 0s")
    return length


def duration(name: str, *, default: str, text: str) -> Decorator:
    """An option whose value is longer than zero; the command gets seconds."""
    return click.option(
        name, metavar=DURATION, default=default, show_default=True, callback=_duration, help=text
    )


def words(
    *names: str,
    text: str,
    default: tuple[str, ...] = (),
    choices: Sequence[str] = (),
    metavar: str = "A,B",
    complete: Complete | None = None,
) -> Decorator:
    """An option that takes `--flag a,b`, `--flag a --flag b`, or both.

    The command gets a tuple of words, each once, in the order given. `choices`: the words that are
    allowed; empty: all.
    """

    def split(
        _context: click.Context, _parameter: click.Parameter, given: tuple[str, ...]
    ) -> tuple[str, ...]:
        words = [part.strip() for value in given for part in value.split(",")]
        for word in words:
            if not word:
                raise click.BadParameter("a name in the list is empty")
            if choices and word not in choices:
                raise click.BadParameter(f"{word!r} is not one of {', '.join(choices)}")
        return tuple(dict.fromkeys(words))

    def offered(
        _context: click.Context, _parameter: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return [CompletionItem(word) for word in choices if word.startswith(incomplete)]

    return click.option(
        *names,
        multiple=True,
        default=default,
        callback=split,
        metavar=metavar,
        shell_complete=offered if choices else complete,
        help=text,
    )
