"""A ConfigMap of the legacy gateway in a cluster where nothing reads it."""

from collections.abc import Iterator

from app.doctor.finding import Finding
from app.doctor.installation import place
from app.doctor.snapshot import Snapshot
from app.migration.legacy_config import KEY_NAMESPACES, is_legacy
from app.model.core import ConfigMap
from app.model.legacy import LEGACY_NAMES, legacy_data


def check(snapshot: Snapshot) -> Iterator[Finding]:
    for config_map in snapshot.all(ConfigMap):
        if is_legacy(config_map, LEGACY_NAMES, KEY_NAMESPACES):
            metadata = config_map.metadata
            yield Finding(
                "warning",
                "LegacyLimits",
                config_map.title,
                "it holds limits of the legacy registry gateway, which Registry v2 does not read",
                (
                    f"registry-admission convert --from-cluster{place(snapshot)} "
                    f"--config-map {metadata.namespace}/{metadata.name} --dry-run=server",
                    "remove it once its limits are converted and no legacy registry runs",
                ),
                (f"keys: {', '.join(sorted(legacy_data(config_map)))}",),
            )
