"""What the commands that look at limits and usage have in common."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable
from contextlib import AsyncExitStack
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.status import Status

from app.cluster.api import ApiError
from app.cluster.connection import NoClusterError
from app.cluster.manifests import ManifestError
from app.config.settings import Settings
from app.reporting import inventories
from app.reporting.inventory import Inventory

UNREADABLE = 2
"""The exit code if what is to be looked at cannot be read."""
_INTERRUPTED = 130
Result = TypeVar("Result")
_FAILURES = (ApiError, ManifestError, NoClusterError, OSError, UnicodeDecodeError)


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """-n and --service-namespace."""
    service = click.option(
        "--service-namespace",
        metavar="NAMESPACE",
        help="Namespace of the service, with its ledgers and its heartbeat.  "
        "[default: registry-admission]",
    )
    chosen = click.option(
        "-n", "--namespace", "namespaces", multiple=True, help="Only this; may be repeated."
    )
    return chosen(service(command))


def look(
    settings: Settings,
    service_namespace: str | None,
    namespaces: Collection[str],
    work: Callable[[Inventory], Awaitable[Result]],
    *,
    ledgers: bool = True,
) -> Result:
    """Do some work on what the settings name; ends the program if that cannot be read."""

    async def opened() -> Result:
        async with AsyncExitStack() as stack:
            with busy("Reading limits and ImageStreams"):
                inventory = await stack.enter_async_context(
                    inventories.opened(settings, service_namespace, namespaces, ledgers=ledgers)
                )
            return await work(inventory)

    return run(opened())


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Work that reads or writes a state; ends the program with 2 if it cannot."""
    # What an inventory has to say is in its notes.
    logging.getLogger("registry_admission").addHandler(logging.NullHandler())
    try:
        return asyncio.run(work)
    except KeyboardInterrupt:
        raise SystemExit(_INTERRUPTED) from None
    except _FAILURES as error:
        click.echo(f"Error: {error}", err=True)
        raise SystemExit(UNREADABLE) from None


def busy(text: str) -> Status:
    """Something that moves on a terminal while people wait."""
    return Console(stderr=True).status(text)


def show_warnings(warnings: Iterable[str]) -> None:
    """Say on stderr what files have that is not in force."""
    for warning in warnings:
        click.echo(f"Warning: {warning}", err=True)


def show_notes(inventory: Inventory) -> None:
    """Say on stderr what is not the whole truth."""
    for note in inventory.notes():
        click.echo(f"Note: {note}", err=True)
