"""The steps of `registry-admission convert`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import click

from app.cli import convert_report
from app.cli.applying import apply_with_progress
from app.cli.exit_codes import ExitCode
from app.cluster import connection, manifests
from app.cluster.api import Content, KubeApi
from app.cluster.applying import Applied
from app.controllers import namespace_limits
from app.migration import converting
from app.migration.conversion import Conversion, NamespaceConversion, Source, Totals, convert
from app.migration.converting import ConversionError
from app.model.domain import ApiDomain
from app.model.legacy import LegacyConfig, UnitBase
from app.model.mode import Mode
from app.policy.names import matches

_PROTECTED = ("kube-*", "default")
"""Namespaces that get no limits unless they are named."""
_TEMPLATE_FILE = "_template.yaml"
"""Its stem is not the name of a namespace: those have no `_`."""
_UNITS: dict[str, UnitBase] = {"binary": 1024, "decimal": 1000}


@dataclass(frozen=True)
class Options:
    """The options of the command."""

    domain: ApiDomain
    kubeconfig: Path | None
    context: str | None
    files: tuple[Path, ...]
    from_cluster: bool
    config_map: str | None
    namespaces: tuple[str, ...]
    namespaces_file: TextIO | None
    size_unit: str
    flat: bool
    streams_per_namespace: int | None
    images_per_namespace: int | None
    tags_per_namespace: int | None
    out: Path | None
    dry_run: str | None
    apply: bool
    force_conflicts: bool
    exclude: tuple[str, ...]
    template: bool
    mode: Mode | None
    output: str
    headers: bool
    own_namespaces: tuple[str, ...]
    """The namespaces of the service and of the registry."""

    @property
    def totals(self) -> Totals:
        return Totals(
            self.streams_per_namespace, self.images_per_namespace, self.tags_per_namespace
        )

    @property
    def writes(self) -> bool:
        """Whether objects are sent to the API server, to apply them or as a dry run."""
        return self.apply or self.dry_run is not None


async def run(options: Options) -> ExitCode:
    """Convert, write, and report. Raises UnusableError."""
    async with _cluster(options) as api:
        config = await _config(options, api)
        names = await _namespaces(options, config, api)
        conversion = convert(config, names, flat=options.flat)
        template = _template(options, config)
        _write(options, conversion, template)
        applied = await _apply(options, conversion, template, api) if api and options.writes else []
    named = api is not None or bool(options.namespaces or options.namespaces_file)
    convert_report.show(
        convert_report.Report(
            conversion,
            options.totals,
            config.unread,
            options.size_unit,
            named,
            applied,
            options.dry_run,
        ),
        options.output,
        headers=options.headers,
    )
    refused = [item for item in applied if not item.ok]
    if refused:
        return ExitCode.FINDINGS if refused[0].tried else ExitCode.FAILED
    return ExitCode.OK if conversion.exact else ExitCode.FINDINGS


@asynccontextmanager
async def _cluster(options: Options) -> AsyncIterator[KubeApi | None]:
    """The cluster, if an option needs it; else None."""
    if not (options.from_cluster or options.writes):
        yield None
        return
    async with connection.found(options.kubeconfig, options.context) as api:
        yield api


async def _config(options: Options, api: KubeApi | None) -> LegacyConfig:
    if api and options.from_cluster:
        found, place = await converting.config_maps_in(api), "the cluster"
    else:
        found = converting.config_maps_of(manifests.read_named(options.files))
        place = manifests.listed(options.files)
    return converting.the_config(found, options.config_map, _UNITS[options.size_unit], place)


async def _namespaces(options: Options, config: LegacyConfig, api: KubeApi | None) -> list[str]:
    names = list(options.namespaces)
    if options.namespaces_file is not None:
        file = options.namespaces_file
        names += converting.namespaces_of(file, file.name)
    if names:
        return _without_excluded(names, options.exclude)
    listed = list(config.by_namespace) if api is None else await converting.namespaces_in(api)
    patterns = (*_PROTECTED, *options.own_namespaces)
    found = [name for name in listed if not matches(name, patterns)]
    if not found:
        raise ConversionError("no rule names a namespace: list them with --namespaces")
    return _without_excluded(found, options.exclude)


def _without_excluded(names: list[str], patterns: tuple[str, ...]) -> list[str]:
    found = [name for name in names if not matches(name, patterns)]
    if not found:
        raise ConversionError("--exclude leaves no namespace")
    return found


def _template(options: Options, config: LegacyConfig) -> list[Content]:
    """The ConfigMap from which new namespaces get the defaults of the gateway, if wanted."""
    if not options.template:
        return []
    defaults = NamespaceConversion("", (Source("the defaults", config.limits, None),))
    limits = defaults.manifests(options.domain, options.totals, options.mode)
    return [namespace_limits.template(limits, options.own_namespaces[0])]


def _write(options: Options, conversion: Conversion, template: list[Content]) -> None:
    if options.out:
        converting.write_files(
            options.out, conversion.namespaces, options.domain, options.totals, options.mode
        )
        for content in template:
            text = manifests.to_text(content)
            (options.out / _TEMPLATE_FILE).write_text(text, encoding="utf-8")
    elif not options.writes:
        for item in conversion.namespaces:
            text = converting.to_yaml(item, options.domain, options.totals, options.mode)
            click.echo(text, nl=False)
        for content in template:
            click.echo(f"---\n{manifests.to_text(content)}", nl=False)


async def _apply(
    options: Options, conversion: Conversion, template: list[Content], api: KubeApi
) -> list[Applied]:
    """Send all objects as a dry run. Apply them if the API server accepts every one."""
    objects = [
        content
        for item in conversion.namespaces
        for content in item.manifests(options.domain, options.totals, options.mode)
    ] + template
    force = options.force_conflicts
    tried = await apply_with_progress(api, objects, force=force, dry_run=True)
    if options.dry_run is not None or not all(item.ok for item in tried):
        return tried
    return await apply_with_progress(api, objects, force=force)
