"""Standard input, output and errors of the commands, and the signal of Ctrl-C.

A command whose output is lost must not end as if it had succeeded.
"""

import contextlib
import errno
import os
import signal
import sys
from types import FrameType
from typing import NoReturn

import click

from app.cli.exit_codes import ExitCode

_LOST = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)


def stop_at_once() -> None:
    """End on Ctrl-C without waiting for anything; `serve` and `gateway` replace this handler."""
    signal.signal(signal.SIGINT, _stop)


def _stop(_signal: int, _frame: FrameType | None) -> NoReturn:
    os._exit(ExitCode.INTERRUPTED)


def require_output() -> None:
    """End with FAILED if stdout is closed. Closed stdin is empty, closed stderr goes nowhere.

    A closed descriptor would be given to the next file or connection that is opened.
    """
    if sys.stdin is None:
        sys.stdin = os.fdopen(_opened(0, os.O_RDONLY))
    if sys.stderr is None:
        sys.stderr = os.fdopen(_opened(2, os.O_WRONLY), "w")
    if sys.stdout is None:
        complain("cannot write the output: stdout is closed")
        raise SystemExit(ExitCode.FAILED)


def complain(problem: str) -> None:
    """Print an error on stderr. The exit code alone reports it if stderr cannot be written."""
    with contextlib.suppress(OSError):
        click.echo(f"Error: {problem}", err=True)


def lost_output(error: Exception) -> str:
    """The problem if the error says that output is lost, on a full disk for instance; else ""."""
    if isinstance(error, OSError) and error.filename is None and error.errno in _LOST:
        return f"cannot write the output: {error.strerror}"
    return ""


def drop_output() -> None:
    """Drop buffered output that cannot be written: Python would try again at its end."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _opened(descriptor: int, flags: int) -> int:
    found = os.open(os.devnull, flags)
    if found != descriptor:
        os.dup2(found, descriptor)
        os.close(found)
    return descriptor
