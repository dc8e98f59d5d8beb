"""Options that are made from the settings model, so that a setting is described once."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import click
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from app.cli import completion, flags
from app.config import durations
from app.config.setting_types import is_duration
from app.config.settings import Settings, SettingsFileError, load
from app.config.shared_settings import SharedSettings
from app.model.base import problems

_FLAGS = {"namespace": "service-namespace"}
"""`-n` and `--namespace` name a tenant's namespace in every command."""
_SOURCE = ("state", "examples", "kubeconfig", "context", "service_namespace", "namespace")
"""Options that choose where limits and images are read."""
_NUMBERS: dict[Any, str] = {int: "INTEGER", float: "NUMBER"}
_COMPLETIONS = {"context": completion.contexts, "namespace": completion.namespaces}


class SettingsCommand(click.Command):
    """A command with one option per setting; its function gets them as one `settings`."""

    def __init__(
        self,
        *args: Any,
        settings: Iterable[str] = (),
        model: type[SharedSettings] = Settings,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._model = model
        self._names = tuple(settings) or tuple(model.model_fields)
        in_file = click.Path(exists=True, dir_okay=False, path_type=Path)
        self.params += [
            *(_option(name, model.model_fields[name]) for name in self._names),
            click.Option(["--config"], type=in_file, help="YAML file with settings."),
        ]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The command's own options first, then those of the source, then other settings."""
        groups: dict[str, list[tuple[str, str]]] = {"Options": [], "Source": [], "Settings": []}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option):
                groups[self._group_of(parameter.name or "")].append(record)
        for title, records in groups.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)

    def _group_of(self, name: str) -> str:
        if name in _SOURCE:
            return "Source"
        return "Settings" if name in (*self._names, "config") else "Options"

    def invoke(self, ctx: click.Context) -> Any:
        _require_one_source(ctx.params)
        flags = {name: _joined(ctx.params.pop(name)) for name in self._names}
        ctx.params["settings"] = _load(flags, ctx.params.pop("config"), self._model)
        return super().invoke(ctx)


def _require_one_source(given: dict[str, Any]) -> None:
    """Refuse a second source, which would be ignored. Variables and --config do not count."""
    sources = (
        given.get("state"),
        given.get("examples"),
        given.get("kubeconfig") or given.get("context"),
    )
    if "examples" in given and sum(map(bool, sources)) > 1:
        raise click.UsageError("use only one of --state, --examples and --kubeconfig/--context")


def _option(name: str, field: FieldInfo) -> click.Option:
    text, default = field.description or "", default_text(field)
    return click.Option(
        [flag(name), name],
        type=_type(field),
        metavar=_metavar(name, field),
        help=f"{text}  [default: {default}]" if default else text,
        multiple=isinstance(_default(field), list),
        shell_complete=_COMPLETIONS.get(name),
    )


def default_text(field: FieldInfo) -> str:
    """The default of a setting as it is written in a flag; empty if there is none."""
    default = _default(field)
    if default is None:
        return ""
    if isinstance(default, list):
        return ",".join(default)
    return durations.text(default) if is_duration(field) else str(default)


def _default(field: FieldInfo) -> Any:
    if field.is_required():
        return None
    return field.get_default(call_default_factory=True, validated_data={})


def flag(name: str) -> str:
    """The flag of a setting."""
    return f"--{_FLAGS.get(name, name).replace('_', '-')}"


def _joined(value: Any) -> Any:
    """A list may be given as `--flag a,b` or as `--flag a --flag b`; None if it is not given."""
    if not isinstance(value, tuple):
        return value
    return ",".join(value) if value else None


def _type(field: FieldInfo) -> Any:
    """Literals offer their values for completion; everything else is checked by the model."""
    annotation = field.annotation
    if get_origin(annotation) is Literal:
        return click.Choice([str(value) for value in get_args(annotation)])
    if annotation == Path | None:
        return click.Path(path_type=Path)
    return str


def _metavar(name: str, field: FieldInfo) -> str | None:
    """How the help names the value; None: by its type in click."""
    if is_duration(field):
        return flags.DURATION
    if name.endswith("namespace"):
        return flags.NAMESPACE
    if isinstance(_default(field), list):
        return flags.WORDS
    return _NUMBERS.get(field.annotation)


def _as_written(problem: str) -> str:
    """`setting_name: problem` with the name of the setting as flags and documentation have it."""
    name, colon, text = problem.partition(": ")
    return f"{name.replace('_', '-')}{colon}{text}" if colon else problem


def _load(
    flags: dict[str, Any], config: Path | None, model: type[SharedSettings]
) -> SharedSettings:
    given = {name: value for name, value in flags.items() if value is not None}
    try:
        return load(given, config, model)
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_input=False):
            if problem["type"] == "missing":
                raise click.UsageError(f"{flag(str(problem['loc'][0]))} is required") from None
        raise click.UsageError("\n".join(map(_as_written, problems(error)))) from None
    except SettingsFileError as error:
        raise click.UsageError(" ".join(str(error).split())) from None
