"""Reference pages made from the code when the site is built, and the hook for mkdocs.

None of them is kept in the repository, so none can be out of date.
"""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
from pydantic.fields import FieldInfo

from app.api.metrics import OF_GATEWAY, OF_SERVICE
from app.cli import exit_codes
from app.cli.main import PROGRAM, main
from app.cli.options import default_text, flag
from app.cluster.embedded import EmbeddedState
from app.config import examples
from app.config.settings import Settings
from app.config.shared_settings import ENV_PREFIX
from app.controllers.metrics import OF_CONTROLLERS
from app.gateway.settings import GatewaySettings
from app.model.metric import Metric
from app.wiring import service
from app.wiring.backends import embedded

_ROOT = Path(__file__).parents[1]
_WIDTH = 92
"""Columns of the help texts."""


def on_files(files: Any, config: Any) -> Any:
    """Called by mkdocs with the pages that it has found."""
    from mkdocs.structure.files import File

    for path, content in pages().items():
        files.append(File.generated(config, path, content=content))
    return files


def on_page_content(html: str, **_: Any) -> str:
    """Called by mkdocs with the content of a page: each cell of a table gets its column's name,
    which phones show beside it."""
    return re.sub(r"<table>.*?</table>", lambda table: _labelled(table[0]), html, flags=re.DOTALL)


def _labelled(table: str) -> str:
    names = [re.sub("<[^>]*>", "", name) for name in re.findall(r"<th[^>]*>(.*?)</th>", table)]
    head, *rows = table.split("<tr>")
    for number, row in enumerate(rows):
        for name in names:
            row = row.replace("<td>", f'<td data-label="{name}">', 1)
        rows[number] = row
    return "<tr>".join([head, *rows])


def on_post_page(output: str, **_: Any) -> str:
    """Called by mkdocs with a whole page: the theme does not name its search dialog."""
    return output.replace('role="dialog"', 'role="dialog" aria-label="Search"')


def pages() -> dict[str, str]:
    """Content by path below the folder of the pages."""
    document = openapi()
    return {
        "how-to/certificates.md": (_ROOT / "certs" / "README.md").read_text(),
        "reference/cli.md": cli(),
        "reference/http-api.md": http_api(document),
        "reference/metrics.md": metrics(),
        "reference/openapi.json": json.dumps(document, indent=2),
        "reference/settings.md": settings(),
    }


def settings() -> str:
    common = Settings.model_fields
    own = {
        name: field
        for name, field in GatewaySettings.model_fields.items()
        if name not in common or field.description != common[name].description
    }
    return _text(
        "# Settings",
        "Every setting is a flag, an environment variable and a key of the file that `--config` "
        "names, in this order of precedence. Sizes are bytes. Durations are written `5s`, `1m30s` "
        "or `500ms`; a plain number is seconds. A key of the file is spelled `watch-lag` or "
        "`watch_lag`. Lists are written `a,b`. `serve --show-settings` "
        "prints the settings in force, as a file for `--config`.",
        "## `serve`",
        _settings_table(common),
        "## `gateway`",
        "Besides those that it shares with `serve` ([which](cli.md#registry-admission-gateway)):",
        _settings_table(own),
    )


def _settings_table(fields: dict[str, FieldInfo]) -> str:
    return _table(
        ("Flag and variable", "Default", "What it decides"),
        (
            (
                f"`{flag(name)}`<br>`{ENV_PREFIX}{name.upper()}`",
                _default(field),
                field.description or "",
            )
            for name, field in fields.items()
        ),
    )


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = default_text(field)
    return f"`{value}`" if value else ""


def cli() -> str:
    return _text(
        "# Command line",
        "The same commands are `kubectl registry-limits …` if `kubectl-registry_limits` is on the "
        "PATH, as it is in an environment with this package. `completion` prints the completion "
        "script of a shell; kubectl completes its plugin by itself. A TAB, and `--help`, take 0.05 "
        "to 0.3 seconds of CPU on the machine of the benchmarks: only the command that runs is "
        "imported.",
        "## Exit codes",
        _table(
            ("Code", "Meaning"),
            ((str(code.value), text) for code, text in exit_codes.MEANING.items()),
        ),
        "What a finding is, by command; the others have none:",
        _table(
            ("Command", "Exit code 1"),
            ((f"`{name}`", text) for name, text in exit_codes.FINDINGS.items() if text),
        ),
        "What `--help` prints for each command:",
        *_commands(main, None, PROGRAM),
    )


def _commands(command: click.Command, parent: click.Context | None, name: str) -> Iterator[str]:
    context = click.Context(
        command, parent, info_name=name, terminal_width=_WIDTH, **command.context_settings
    )
    yield f"## {context.command_path}"
    yield f"```text\n{command.get_help(context)}\n```"
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            if found is not None:
                yield from _commands(found, context, child)


def metrics() -> str:
    return _text(
        "# Metrics",
        "`/metrics` is on the port of the reviews, in Prometheus' text format. "
        "[Alerts and a dashboard](../how-to/monitor.md) use them.",
        "## `serve`",
        _metrics_table(OF_SERVICE),
        "Values of the label `reason` are the entries of "
        "[Refusals and warnings](../troubleshooting.md), empty for what is allowed, and "
        "`InternalError` for a review that failed. `verdict` is `allowed`, `denied` or `failed`.",
        "## `gateway`",
        _metrics_table(OF_GATEWAY),
        "## Controllers",
        "Of `serve` with `--controllers`.",
        _metrics_table(OF_CONTROLLERS),
    )


def _metrics_table(described: Iterable[Metric]) -> str:
    return _table(
        ("Metric", "Labels", "What it says"),
        (
            (
                f"`{metric.samples[0]}`<br>{metric.type}",
                ", ".join(f"`{label}`" for label in metric.labels),
                metric.help,
            )
            for metric in described
        ),
    )


def openapi() -> dict[str, Any]:
    """The document that `/openapi.json` serves, with push checks."""
    with TemporaryDirectory() as folder:
        tokens = Path(folder, "tokens")
        tokens.write_text("an-example-of-a-token example *\n")
        configured = Settings(push_tokens=tokens)
        state = EmbeddedState(examples.state_folder(), configured.domain)
        return service.build(configured, embedded(state, configured)).app.openapi()


def http_api(document: dict[str, Any]) -> str:
    return _text(
        "# HTTP API",
        "The service describes itself on `/openapi.json`; [this is that document](openapi.json). "
        "Reviews and metrics are always served; push checks if somebody is known who may ask. "
        "What errors look like: "
        "[push checks](../troubleshooting.md#errors-of-push-checks-and-the-gateway); others are "
        "Kubernetes `Status` objects.",
        *(
            part
            for path, operations in document["paths"].items()
            for method, operation in operations.items()
            for part in _operation(document, f"{method.upper()} {path}", operation)
        ),
    )


def _operation(document: dict[str, Any], title: str, operation: dict[str, Any]) -> Iterator[str]:
    yield f"## `{title}`"
    yield operation.get("description", operation["summary"])
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if body:
        yield "Request body:"
        yield _fields_table(document, body["schema"])
    answers = operation["responses"].items()
    yield _table(("Status", "Answer"), ((code, one["description"]) for code, one in answers))


def _fields_table(document: dict[str, Any], schema: dict[str, Any]) -> str:
    schema = _resolved(document, schema)
    required = schema.get("required", [])
    return _table(
        ("Field", "Type", "Required", "What it is"),
        (
            (
                f"`{name}`",
                _type(field),
                "yes" if name in required else "",
                field.get("description", ""),
            )
            for name, field in schema.get("properties", {}).items()
        ),
    )


def _resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    found: dict[str, Any] = document["components"]["schemas"][reference.rpartition("/")[2]]
    return found


def _type(field: dict[str, Any]) -> str:
    alternatives = [one.get("type", "") for one in field.get("anyOf", [field])]
    return " or ".join(filter(None, alternatives))


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    text = " ".join(text.split()).replace("|", "\\|")
    # a placeholder is no HTML; in code it is shown as it is
    return text if "`" in text else text.replace("<", "&lt;")


def _text(*parts: str) -> str:
    return "\n\n".join(parts) + "\n"
