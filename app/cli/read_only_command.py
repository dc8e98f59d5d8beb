"""Options and steps of the commands that read limits and usage."""

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from app.cli import completion, flags
from app.model.domain import ApiDomain

if TYPE_CHECKING:
    from app.config.settings import Settings
    from app.reporting.inventory import Inventory

Result = TypeVar("Result")


@dataclass(frozen=True)
class Selection:
    """The namespaces that a command reads, and the namespace of the service's ledgers."""

    namespaces: tuple[str, ...]
    """Empty: all of them, or those with the labels."""
    labels: str
    """A label selector of namespaces; empty: all."""
    service_namespace: str | None
    examples: bool

    @property
    def named(self) -> bool:
        return bool(self.namespaces)


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Namespaces by name, -n, -A or -l; --service-namespace and --examples."""

    def selecting(
        *args: Any,
        names: tuple[str, ...],
        namespaces: tuple[str, ...],
        all_namespaces: bool,
        labels: str,
        service_namespace: str | None,
        examples: bool,
        **rest: Any,
    ) -> Any:
        chosen = tuple(dict.fromkeys((*names, *namespaces)))
        if sum((bool(chosen), all_namespaces, bool(labels))) > 1:
            raise click.UsageError("name namespaces, use -A, or use -l: only one of the three")
        selection = Selection(chosen, labels, service_namespace, examples)
        return command(*args, selection=selection, **rest)

    selecting.__name__, selecting.__doc__ = command.__name__, command.__doc__
    selecting.__click_params__ = getattr(command, "__click_params__", [])  # type: ignore[attr-defined]
    for option in (
        click.option("--examples", is_flag=True, help="Look at the examples of this project."),
        click.option(
            "--service-namespace", metavar=flags.NAMESPACE, shell_complete=completion.namespaces,
            callback=flags.optional_namespace,
            help="Namespace of the service, with its ledgers.  [default: registry-admission]",
        ),
        click.option(
            "-l", "--selector", "labels", default="", metavar="LABELS", callback=flags.selector,
            help="Only namespaces with these labels, such as team=a.",
        ),
        click.option("-A", "--all-namespaces", is_flag=True, help="All namespaces, the default."),
        flags.words(
            "-n", "--namespace", "namespaces", complete=completion.namespaces,
            check=flags.namespaces,
            text="Only these namespaces.",
        ),
        click.argument(
            "names", nargs=-1, metavar="[NAMESPACE]...", callback=flags.namespaces,
            shell_complete=completion.namespaces,
        ),
    ):  # fmt: skip
        selecting = option(selecting)
    return selecting


def look(
    settings: "Settings",
    selection: Selection,
    work: Callable[["Inventory"], Awaitable[Result]],
    *,
    proposed: Collection[str] = (),
    ledgers: bool = True,
    times: bool = True,
    database: Path | None = None,
) -> Result:
    """Run `work` on the inventory of the folder or cluster that the settings name.

    `proposed`: namespaces that need not exist yet. `database`: the database of a gateway, whose
    counts replace those of the folder. Raises UnusableError if one of them cannot be read.
    """
    from app.reporting import inventories
    from app.reporting.folder_inventory import FolderInventory

    of_folder: Callable[[Path, ApiDomain, str], FolderInventory] = FolderInventory
    if database is not None:
        from app.gateway.database_inventory import DatabaseInventory

        of_folder = partial(DatabaseInventory, database)

    async def opened() -> Result:
        async with AsyncExitStack() as stack:
            with busy("Reading limits and ImageStreams"):
                inventory = await stack.enter_async_context(
                    inventories.opened(
                        settings,
                        selection.service_namespace,
                        selection.namespaces,
                        labels=selection.labels,
                        on_examples=selection.examples,
                        proposed=proposed,
                        ledgers=ledgers,
                        times=times,
                        of_folder=of_folder,
                    )
                )
            return await work(inventory)

    return run(opened())


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run work that reads or writes a state, and print no log."""
    # The notes of an inventory name the objects that could not be read.
    logging.getLogger().addHandler(logging.NullHandler())
    return asyncio.run(work)


@contextmanager
def busy(text: str) -> Iterator[None]:
    """Show `text` on a terminal while the body runs."""
    if not sys.stderr.isatty():
        yield
        return
    click.echo(f"{text} …", err=True, nl=False)
    try:
        yield
    finally:
        click.echo("\r\x1b[K", err=True, nl=False)


def warn(problem: str) -> None:
    """Print a warning about a file on stderr."""
    click.echo(f"Warning: {problem}", err=True)


def show_notes(inventory: "Inventory") -> None:
    """Print on stderr which parts of the inventory are incomplete."""
    for note in inventory.notes():
        click.echo(f"Note: {note}", err=True)
