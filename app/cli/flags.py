"""Flags whose values have a form: durations, lists of words, names of namespaces, selectors."""

from collections.abc import Callable, Sequence
from typing import Any

import click
from click.shell_completion import CompletionItem

from app.config import durations
from app.policy.names import is_component, is_label, is_selector

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]
Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]

DURATION = "DURATION"
"""A duration in the help: `5s`, `1m30s`, `500ms` or a number of seconds."""
NAMESPACE = "NAMESPACE"
WORDS = "A,B"
"""A list of words in the help."""


def _duration(_context: click.Context, _parameter: click.Parameter, value: str) -> float:
    try:
        length = durations.seconds(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    if length <= 0:
        raise click.BadParameter("it has to be longer than 0s")
    return length


def namespace(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    """A callback: the name of a namespace of a cluster."""
    if not is_label(value):
        raise click.BadParameter(f"{value!r} is not the name of a namespace: use a-z, 0-9 and -")
    return value


def optional_namespace(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> str | None:
    return namespace(context, parameter, value) if value else value


def cluster_namespaces(
    context: click.Context, parameter: click.Parameter, names: tuple[str, ...]
) -> tuple[str, ...]:
    return tuple(namespace(context, parameter, name) for name in names)


def selector(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    """A callback: a label selector, or nothing."""
    if value and not is_selector(value):
        raise click.BadParameter(f"{value!r} is not a label selector such as team=a,tier!=test")
    return value


def namespaces(
    _context: click.Context, _parameter: click.Parameter, names: tuple[str, ...]
) -> tuple[str, ...]:
    """A callback: namespaces of a cluster, or of a registry, whose names may have `_` and `.`."""
    for name in names:
        if not is_component(name):
            raise click.BadParameter(f"{name!r} is not the name of a namespace")
    return names


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
    metavar: str = WORDS,
    complete: Complete | None = None,
    check: Callable[[click.Context, click.Parameter, tuple[str, ...]], tuple[str, ...]]
    | None = None,
) -> Decorator:
    """An option that takes `--flag a,b`, `--flag a --flag b`, or both.

    The command gets a tuple of words, each once, in the order given. `choices`: the words that are
    allowed; empty: all. `check` may refuse words with BadParameter.
    """

    def split(
        context: click.Context, parameter: click.Parameter, given: tuple[str, ...]
    ) -> tuple[str, ...]:
        words = [part.strip() for value in given for part in value.split(",")]
        for word in words:
            if not word:
                raise click.BadParameter("a name in the list is empty")
            if choices and word not in choices:
                raise click.BadParameter(f"{word!r} is not one of {', '.join(choices)}")
        found = tuple(dict.fromkeys(words))
        return check(context, parameter, found) if check else found

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
