"""Values that a shell offers on TAB."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import yaml
from click.shell_completion import CompletionItem, ShellComplete

from app.model.bounded_file import read_bounded
from app.model.yaml_bounds import require_bounds

_DEFAULT = "~/.kube/config"


def values(program: click.Command, words: Sequence[str]) -> tuple[list[str], bool]:
    """The values that can complete the last word, and whether files can complete it too."""
    *before, incomplete = words or [""]
    items = ShellComplete(program, {}, "", "").get_completions(list(before), incomplete)
    found = [f"{item.value}\t{item.help}" if item.help else item.value
             for item in items if item.type == "plain"]  # fmt: skip
    return found, any(item.type != "plain" for item in items)


def contexts(ctx: click.Context, _option: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The contexts of the kubeconfig; none if it cannot be read."""
    listed = (content.get("contexts") for content in map(_content, _kubeconfigs(ctx)))
    names = {
        str(context["name"])
        for contexts in listed
        if isinstance(contexts, list)
        for context in contexts
        if isinstance(context, dict) and "name" in context
    }
    return [CompletionItem(name) for name in sorted(names) if name.startswith(incomplete)]


def _kubeconfigs(ctx: click.Context) -> list[Path]:
    given = ctx.params.get("kubeconfig")
    if given:
        return [Path(given)]
    files = os.environ.get("KUBECONFIG", _DEFAULT).split(os.pathsep)
    return [Path(file).expanduser() for file in files if file]


def _content(path: Path) -> dict[str, Any]:
    try:
        text = read_bounded(path).decode()
        require_bounds(text)
        content = yaml.load(text, Loader=yaml.CSafeLoader)
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return content if isinstance(content, dict) else {}


def namespaces(
    ctx: click.Context, _option: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The namespaces of the cluster that the options name; none if it cannot be read."""
    import asyncio

    from app.cluster import connection
    from app.model.errors import UnusableError

    async def listed() -> list[str]:
        kubeconfig = ctx.params.get("kubeconfig")
        file = Path(kubeconfig) if kubeconfig else None
        async with connection.found(file, ctx.params.get("context")) as api:
            return [item["metadata"]["name"] async for item in api.items("/api/v1/namespaces")]

    try:
        names = asyncio.run(listed())
    except UnusableError:
        return []
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]
