"""Applies objects and shows the progress on a terminal."""

import sys
from collections.abc import Sequence

import click

from app.cluster.api import Content, KubeApi
from app.cluster.applying import Applied, apply


async def apply_with_progress(
    api: KubeApi, objects: Sequence[Content], *, force: bool = False, dry_run: bool = False
) -> list[Applied]:
    """Apply objects; a terminal shows how many are done."""
    shown = sys.stderr.isatty()
    applied = []
    async for item in apply(api, objects, force=force, dry_run=dry_run):
        applied.append(item)
        if shown:
            click.echo(f"\r{len(applied)} of {len(objects)} …", err=True, nl=False)
    if shown:
        click.echo("\r\x1b[K", err=True, nl=False)
    return applied
