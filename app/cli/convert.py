"""`registry-admission convert`."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import click

from app.cli import convert_report
from app.cli.applying import apply_with_progress
from app.cli.options import SettingsCommand
from app.cluster import connection, manifests
from app.cluster.api import ApiError, KubeApi
from app.cluster.applying import Applied
from app.cluster.connection import NoClusterError
from app.cluster.manifests import ManifestError
from app.config.settings import Settings
from app.migration import converting
from app.migration.conversion import Conversion, Totals, convert
from app.migration.converting import ConversionError
from app.model.domain import ApiDomain
from app.model.legacy import LegacyConfig, LegacyConfigError, UnitBase

_APPROXIMATED = 3
_UNITS: dict[str, UnitBase] = {"binary": 1024, "decimal": 1000}
_FAILURES = (
    ApiError,
    ConversionError,
    LegacyConfigError,
    ManifestError,
    NoClusterError,
    OSError,
    UnicodeDecodeError,
)
_COUNT = click.IntRange(min=0)


@dataclass(frozen=True)
class _Options:
    """What was asked for on the command line."""

    domain: ApiDomain
    kubeconfig: Path | None
    context: str | None
    files: tuple[Path, ...]
    from_cluster: bool
    config_map: str | None
    namespaces: str | None
    namespaces_file: Iterable[str] | None
    size_unit: str
    flat: bool
    streams_per_namespace: int | None
    images_per_namespace: int | None
    tags_per_namespace: int | None
    out: Path | None
    dry_run: str | None
    apply: bool
    output: str

    @property
    def totals(self) -> Totals:
        return Totals(
            self.streams_per_namespace, self.images_per_namespace, self.tags_per_namespace
        )

    @property
    def writes(self) -> bool:
        """Whether objects are sent to the API server, if only to try them."""
        return self.apply or self.dry_run is not None


@click.command(cls=SettingsCommand, settings=("kubeconfig", "context", "api_domain"))
@click.argument(
    "files",
    nargs=-1,
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
)
@click.option("--from-cluster", is_flag=True, help="Read the ConfigMap from the cluster.")
@click.option(
    "--config-map",
    metavar="NAMESPACE/NAME",
    help="The ConfigMap that the gateway reads, where there are several.",
)
@click.option(
    "--namespaces",
    metavar="A,B",
    help="Namespaces to convert for.  [default: the cluster's where one is used, else those "
    "that a rule names as a whole]",
)
@click.option(
    "--namespaces-file",
    type=click.File(encoding="utf-8"),
    help="The same from a file, one on each line; - is stdin.",
)
@click.option(
    "--size-unit",
    type=click.Choice(list(_UNITS)),
    default="binary",
    help="What one GB of the gateway is: binary 1Gi, decimal 1G.  [default: binary]",
)
@click.option(
    "--flat",
    is_flag=True,
    help="No repository has another / behind NAMESPACE/NAME: decide rules for these only.",
)
@click.option("--streams-per-namespace", type=_COUNT, help="Write a ResourceQuota with this.")
@click.option("--images-per-namespace", type=_COUNT, help="Write a ResourceQuota with this.")
@click.option("--tags-per-namespace", type=_COUNT, help="Write a ResourceQuota with this.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for one file per namespace.  [default: everything on stdout]",
)
@click.option(
    "--dry-run", type=click.Choice(["server"]), help="Have the API server try the objects."
)
@click.option("--apply", is_flag=True, help="Apply the objects to the cluster.")
@click.option(
    "-o", "--output", type=click.Choice(convert_report.FORMATS), default="table",
    help="How to print the report, on stderr.  [default: table]",
)  # fmt: skip
def convert_command(settings: Settings, **options: Any) -> None:
    """Convert the limits of the legacy registry gateway into LimitRanges.

    A FILE holds its ConfigMap, - is stdin. Each namespace gets the limits that all of its
    repositories have. Where rules tell them apart it gets the least strict of their limits, and
    the report says what changes. The gateway has no limits for a whole namespace: a
    ResourceQuota is only written with counts that are given.

    The exit code is 0 if every limit keeps its meaning, 3 if one is approximated, and 1 if
    something failed.

    \b
    Examples:
      registry-admission convert gateway.yaml --namespaces team-a,team-b
      kubectl get cm -n cpaas-system -o yaml | registry-admission convert - --out limits/
      registry-admission convert --from-cluster --dry-run=server
      registry-admission convert --from-cluster --apply --tags-per-namespace 2000
    """
    given = _Options(settings.domain, settings.kubeconfig, settings.context, **options)
    if bool(given.files) == given.from_cluster:
        raise click.UsageError("name a FILE with the ConfigMap, or use --from-cluster")
    try:
        code = asyncio.run(_run(given))
    except _FAILURES as error:
        raise click.ClickException(str(error)) from None
    raise SystemExit(code)


async def _run(options: _Options) -> int:
    async with _cluster(options) as api:
        config = await _config(options, api)
        names = await _namespaces(options, config, api)
        conversion = convert(config, names, flat=options.flat)
        _write(options, conversion)
        applied = await _apply(options, conversion, api) if api and options.writes else []
    named = api is not None or bool(options.namespaces or options.namespaces_file)
    convert_report.show(
        convert_report.Report(
            conversion, options.totals, options.size_unit, named, applied, options.dry_run
        ),
        options.output,
    )
    if not all(item.ok for item in applied):
        return 1
    return 0 if conversion.exact else _APPROXIMATED


@asynccontextmanager
async def _cluster(options: _Options) -> AsyncIterator[KubeApi | None]:
    """The cluster, if anything is asked of it."""
    if not (options.from_cluster or options.writes):
        yield None
        return
    async with connection.connected(options.kubeconfig, options.context) as api:
        yield api


async def _config(options: _Options, api: KubeApi | None) -> LegacyConfig:
    if api and options.from_cluster:
        found = await converting.config_maps_in(api)
    else:
        found = converting.config_maps_of(chain.from_iterable(map(manifests.read, options.files)))
    return converting.the_config(found, options.config_map, _UNITS[options.size_unit])


async def _namespaces(options: _Options, config: LegacyConfig, api: KubeApi | None) -> list[str]:
    named = (options.namespaces or "").split(",") + list(options.namespaces_file or ())
    names = [name.strip() for name in named if name.strip()]
    if names:
        return converting.check_namespaces(names)
    found = list(config.by_namespace) if api is None else await converting.namespaces_in(api)
    if not found:
        raise ConversionError("no rule names a namespace: list them with --namespaces")
    return found


def _write(options: _Options, conversion: Conversion) -> None:
    if options.out:
        converting.write_files(options.out, conversion.namespaces, options.domain, options.totals)
    elif not options.writes:
        for item in conversion.namespaces:
            click.echo(converting.to_yaml(item, options.domain, options.totals), nl=False)


async def _apply(options: _Options, conversion: Conversion, api: KubeApi) -> list[Applied]:
    objects = [
        content
        for item in conversion.namespaces
        for content in item.manifests(options.domain, options.totals)
    ]
    return await apply_with_progress(api, objects, dry_run=options.dry_run is not None)
