"""Bringing objects to a cluster while somebody watches."""

from collections.abc import Sequence

from rich.progress import Progress

from app.cli.printing import console
from app.cluster.api import Content, KubeApi
from app.cluster.applying import Applied, apply


async def apply_with_progress(
    api: KubeApi, objects: Sequence[Content], *, force: bool = False, dry_run: bool = False
) -> list[Applied]:
    """Apply objects; on a terminal a bar shows how far it is."""
    stderr = console(stderr=True)
    applied = []
    with Progress(console=stderr, transient=True, disable=not stderr.is_terminal) as progress:
        task = progress.add_task("Applying", total=len(objects))
        async for item in apply(api, objects, force=force, dry_run=dry_run):
            applied.append(item)
            progress.advance(task)
    return applied
