"""Values that a shell offers on TAB."""

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from shutil import which
from typing import Any

import click
import yaml
from click.shell_completion import CompletionItem, ShellComplete

from app.model.bounded_file import read_bounded
from app.model.yaml_bounds import require_bounds

_DEFAULT = "~/.kube/config"
_WITHIN = 2
"""Seconds that a cluster has to answer."""


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
    """The namespaces of the cluster that the options name. A user who may not list them, or whose
    cluster does not answer, is offered those of the contexts in the kubeconfig."""
    listed = _listed_by_kubectl(ctx) if which("kubectl") else _listed(ctx)
    names = sorted(_of_contexts(ctx)) if listed is None else listed
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def _listed_by_kubectl(ctx: click.Context) -> list[str] | None:
    """kubectl starts in a tenth of the time that our own client takes to be imported. With --raw,
    it does not ask for the kinds of the cluster first."""
    command = ["kubectl", "get", "--raw=/api/v1/namespaces", f"--request-timeout={_WITHIN}s"]
    command += [
        f"--{option}={ctx.params[option]}"
        for option in ("kubeconfig", "context")
        if ctx.params.get(option)
    ]
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command with options of the user
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=2 * _WITHIN
        )
        if done.returncode:
            return None
        return [item["metadata"]["name"] for item in json.loads(done.stdout)["items"]]
    except (OSError, subprocess.TimeoutExpired, ValueError, KeyError, TypeError):
        return None


def _listed(ctx: click.Context) -> list[str] | None:
    import asyncio

    from app.cluster import connection
    from app.model.errors import UnusableError

    async def listed() -> list[str]:
        kubeconfig = ctx.params.get("kubeconfig")
        file = Path(kubeconfig) if kubeconfig else None
        async with (
            asyncio.timeout(_WITHIN),
            connection.found(file, ctx.params.get("context")) as api,
        ):
            return [item["metadata"]["name"] async for item in api.items("/api/v1/namespaces")]

    try:
        return asyncio.run(listed())
    except (UnusableError, TimeoutError):
        return None


def _of_contexts(ctx: click.Context) -> set[str]:
    contexts = (
        context.get("context")
        for content in map(_content, _kubeconfigs(ctx))
        for context in _dicts(content.get("contexts"))
    )
    return {str(one["namespace"]) for one in _dicts(list(contexts)) if one.get("namespace")}


def _dicts(found: Any) -> list[dict[str, Any]]:
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
