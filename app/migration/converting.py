"""Reads the legacy gateway's ConfigMaps and writes the objects that replace them."""

from collections.abc import Collection, Iterable
from pathlib import Path

import yaml

from app.cluster.api import KubeApi
from app.cluster.manifests import Manifest
from app.migration.conversion import NamespaceConversion, Totals
from app.migration.legacy_config import is_legacy
from app.model.core import ConfigMap
from app.model.domain import ApiDomain
from app.model.errors import UnusableError
from app.model.legacy import LEGACY_NAMES, LegacyConfig, UnitBase, legacy_data, parse, quoted
from app.model.mode import Mode
from app.policy.names import is_label


class ConversionError(UnusableError):
    """The input cannot be converted. The text says what to do instead."""


def config_maps_of(documents: Iterable[Manifest]) -> list[ConfigMap]:
    """The legacy ConfigMaps among these objects. Raises ManifestError."""
    found = [document.parse(ConfigMap) for document in documents if document.kind == "ConfigMap"]
    return [config_map for config_map in found if is_legacy(config_map, LEGACY_NAMES, ["*"])]


async def config_maps_in(api: KubeApi) -> list[ConfigMap]:
    """The ConfigMaps of a cluster with one of the gateway's names, in any namespace."""
    found = [
        ConfigMap.model_validate(item)
        for query in ({"fieldSelector": f"metadata.name={name}"} for name in LEGACY_NAMES)
        async for item in api.items("/api/v1/configmaps", query)
    ]
    return [config_map for config_map in found if is_legacy(config_map, LEGACY_NAMES, [])]


async def namespaces_in(api: KubeApi) -> list[str]:
    """Every namespace of a cluster that is not being deleted."""
    metadata = [item["metadata"] async for item in api.items("/api/v1/namespaces")]
    return [item["name"] for item in metadata if "deletionTimestamp" not in item]


def the_config(
    found: Collection[ConfigMap], chosen: str | None, unit: UnitBase, place: str
) -> LegacyConfig:
    """The limits of the one ConfigMap that the gateway reads.

    `chosen` is its `namespace/name`. `place`: where they were found, for errors. Several ConfigMaps
    with equal content count as one. Raises ConversionError for none or several, and
    LegacyConfigError for one that cannot be read.
    """
    titles = {f"{item.metadata.namespace}/{item.metadata.name}": item for item in found}
    if chosen is not None and chosen not in titles:
        raise ConversionError(
            f"there is no legacy ConfigMap {chosen} in {place}; found: "
            f"{', '.join(titles) or 'none'}"
        )
    usable = [titles[chosen]] if chosen else list(found)
    if not usable:
        names = " or ".join(LEGACY_NAMES)
        raise ConversionError(
            f"no legacy ConfigMap found in {place}: it is named {names}, or has the keys "
            "max_image_size, tag_count_limit and rules"
        )
    if any(legacy_data(item) != legacy_data(usable[0]) for item in usable):
        raise ConversionError(
            f"{' and '.join(titles)} differ: choose the one that the gateway reads with "
            "--config-map NAMESPACE/NAME"
        )
    return parse(usable[0].data, unit_base=unit)


def namespaces_of(lines: Iterable[str], source: str) -> list[str]:
    """The namespaces in a text: one a line, also as `kubectl get -o name` prints them. Lines that
    begin with `#` are comments.

    Raises ConversionError for a text that names none, or something else.
    """
    found = []
    try:
        for number, line in enumerate(lines, start=1):
            text = line.strip()
            if not text or text.startswith("#"):
                continue
            name = text.removeprefix("namespace/")
            if not is_label(name):
                raise ConversionError(
                    f"{source}: line {number}: {quoted(name)} is not the name of a namespace: use "
                    "a-z, 0-9 and -"
                )
            found.append(name)
    except UnicodeDecodeError:
        raise ConversionError(f"{source}: not text in UTF-8") from None
    if not found:
        raise ConversionError(f"{source}: it names no namespace; write one a line")
    return found


def to_yaml(
    item: NamespaceConversion, domain: ApiDomain, totals: Totals, mode: Mode | None = None
) -> str:
    """The YAML of one namespace's objects, with a comment that names their origin."""
    sources = ", ".join(source.name for source in item.sources)
    comments = [f"Namespace {item.namespace}: {sources}", *item.changes]
    objects = yaml.dump_all(
        item.manifests(domain, totals, mode), Dumper=yaml.CSafeDumper, sort_keys=False
    )
    return "---\n" + "".join(f"# {comment}\n" for comment in comments) + objects


def write_files(
    folder: Path,
    items: Iterable[NamespaceConversion],
    domain: ApiDomain,
    totals: Totals,
    mode: Mode | None = None,
) -> None:
    """Write one file for each namespace. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    for item in items:
        text = to_yaml(item, domain, totals, mode)
        (folder / f"{item.namespace}.yaml").write_text(text, encoding="utf-8")
