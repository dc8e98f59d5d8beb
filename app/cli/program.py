"""A group of commands that imports a command when it is called, and sets the exit code."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import click
from click.exceptions import NoSuchCommand

from app.cli import streams
from app.cli.exit_codes import ExitCode
from app.model.errors import NothingNamedError, UnusableError, file_problem


@dataclass(frozen=True)
class Lazy:
    """A command that is not imported yet."""

    target: str
    """`module:function`"""
    help: str
    """The first sentence of its help."""

    def load(self) -> click.Command:
        module, _, name = self.target.partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command


class Program(click.Group):
    """Imports only the command that runs: importing all takes a second, too long for completion."""

    def __init__(self, *args: Any, lazy: Mapping[str, Lazy], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*self.commands, *self._lazy})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.commands and cmd_name in self._lazy:
            command = self._lazy[cmd_name].load()
            command.name = cmd_name
            self.add_command(command, cmd_name)
        return super().get_command(ctx, cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Suggest similar commands for an unknown one, also those that are not imported."""
        try:
            return super().resolve_command(ctx, args)
        except NoSuchCommand as error:
            known = self.list_commands(ctx)
            raise NoSuchCommand(error.command_name, possibilities=known, ctx=ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [
            (name, self._lazy[name].help if name in self._lazy else self._short(ctx, name))
            for name in self.list_commands(ctx)
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def _short(self, ctx: click.Context, name: str) -> str:
        command = self.get_command(ctx, name)
        return command.get_short_help_str() if command else ""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Read the arguments, and print the help."""
        with _one_line():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command. Print an expected error as one line on stderr."""
        try:
            with _one_line():
                return super().invoke(ctx)
        except (KeyboardInterrupt, click.Abort):
            raise SystemExit(ExitCode.INTERRUPTED) from None


@contextlib.contextmanager
def _one_line() -> Iterator[None]:
    """Print what could not be read or written as one line on stderr."""
    try:
        yield
    except (NothingNamedError, click.ClickException) as error:
        shown = (
            error
            if isinstance(error, click.ClickException)
            else click.UsageError(_line(str(error)))
        )
        with contextlib.suppress(OSError):
            shown.show()
        streams.drop_output()
        wrong_use = isinstance(shown, click.UsageError)
        raise SystemExit(ExitCode.USAGE if wrong_use else ExitCode.FAILED) from None
    except BrokenPipeError:
        streams.drop_output()
        raise SystemExit(ExitCode.NO_READER) from None
    except (UnusableError, OSError, UnicodeDecodeError) as error:
        streams.complain(streams.lost_output(error) or _line(_problem(error)))
        streams.drop_output()
        raise SystemExit(ExitCode.FAILED) from None


def _problem(error: UnusableError | OSError | UnicodeDecodeError) -> str:
    if isinstance(error, UnusableError):
        return str(error)
    file = getattr(error, "filename", None)
    return f"{file}: {file_problem(error)}" if file else file_problem(error)


def _line(text: str) -> str:
    return " ".join(text.split())
