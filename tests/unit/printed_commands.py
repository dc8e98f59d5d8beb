"""Finds commands of this program in texts, and gives them to the parser of the command line."""

import ast
import re
import shlex
from collections.abc import Iterator

import click

from app.cli.main import COMMANDS, main

_COMMAND = re.compile(
    rf"registry-admission ((?:{'|'.join(sorted(COMMANDS))})\b(?! listens)[^`|;#()\n]*)"
)
_PLACEHOLDERS = {"<folder>": "."}
"""Values that a parser accepts, by placeholder. For the others, a word is enough."""


def commands(text: str) -> list[str]:
    """The commands in a text, without the program's name and without comments behind them."""
    lines = re.sub(r"\\\n\s*", "", text)
    return [re.split(r" {2,}| > ", found)[0].strip() for found in _COMMAND.findall(lines)]


def parse(command: str) -> None:
    """Raises UsageError for a command that the program does not accept.

    A command without arguments counts as a mention.
    """
    filled = re.sub(r"<[a-z-]+>", lambda found: _PLACEHOLDERS.get(found[0], "x"), command)
    words, context = shlex.split(filled), click.Context(main)
    group: click.Group = main
    while words:
        name, *words = words
        found = group.get_command(context, name)
        if found is None:
            raise click.UsageError(f"no command {name}")
        if not isinstance(found, click.Group):
            if words:
                found.make_context(name, words, parent=context)
            return
        group, context = found, click.Context(found, parent=context)


def texts(source: str) -> Iterator[str]:
    """The texts in Python source. In an f-string, a word stands for the value of each option."""
    waiting: list[ast.AST] = [ast.parse(source)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            text = ""
            for part in node.values:
                if isinstance(part, ast.Constant):
                    text += str(part.value)
                elif re.search(r"--[a-z-]+[ =]$|/$", text):
                    text += "x"
            yield text
        else:
            waiting += ast.iter_child_nodes(node)
