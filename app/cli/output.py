"""Output for scripts: JSON or YAML in an envelope with a kind and a version."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import click
import yaml

VERSION = "registry-admission/v1"
DATA = ("json", "yaml")

Content = dict[str, Any]


def enveloped(kind: str, content: Content) -> Content:
    return {"apiVersion": VERSION, "kind": kind, **content}


def show(content: Content, output: str, *, err: bool = False) -> None:
    """Print data as JSON or YAML."""
    if output == "json":
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    else:
        text = as_yaml([content])
    click.echo(text, nl=False, err=err)


def as_yaml(objects: Sequence[Content], *, explicit_start: bool = False) -> str:
    """YAML documents for kubectl, without anchors and aliases."""
    text: str = yaml.dump_all(
        objects, Dumper=_Plain, sort_keys=False, allow_unicode=True, explicit_start=explicit_start
    )
    return text


class _Plain(yaml.CSafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def option(
    *formats: str, text: str = "How to print."
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`-o`, the first of the formats by default. `text`: its help."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice(formats),
        default=formats[0],
        help=f"{text}  [default: {formats[0]}]",
    )


no_headers = click.option(
    "--no-headers", "headers", is_flag=True, default=True, flag_value=False,
    help="Print tables without their headings.",
)  # fmt: skip
