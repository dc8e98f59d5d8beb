"""Images that the API knows but whose data is missing from the registry.

Rule: "If image metadata exists but blob data is missing, verify whether the Registry used emptyDir
or whether the storage backend was changed." (Registry v2, "Operate Storage")
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from app.doctor.finding import Finding, listed
from app.doctor.inventory import Sample
from app.doctor.snapshot import NotReadError, Snapshot

_MAX_SHOWN = 10


@dataclass(frozen=True)
class Examined:
    """The answer of the registry about one image."""

    sample: Sample
    missing: tuple[str, ...] = ()
    """`manifest sha256:…` and `blob sha256:…`"""
    unknown: str = ""
    """The reason why the registry gave no answer; empty if it answered."""


def findings(snapshot: Snapshot, examined: Sequence[Examined]) -> list[Finding]:
    """Report all images without data in one finding."""
    broken = [item for item in examined if item.missing]
    if not broken:
        return []
    answered = sum(not item.unknown for item in examined)
    return [
        Finding(
            "error",
            "BlobsMissing",
            f"ImageStream {broken[0].sample.repository}"
            + (f" and {len(broken) - 1} more images" if len(broken) > 1 else ""),
            f"{len(broken)} of {answered} images that were looked at have metadata, and their "
            "data is not in the registry: they cannot be pulled",
            (
                f"kubectl get configs.{snapshot.domain.operator_group} cluster "
                "-o jsonpath='{.spec.storage}'   # emptyDir, or changed?",
                f"kubectl -n {snapshot.registry_namespace} get replicasets -o yaml   # before",
                "kubectl get pv   # a Released volume may hold the data",
                "push the images that are needed again",
            ),
            (
                *(
                    f"{item.sample}: no {listed(list(item.missing), 2)}"
                    for item in broken[:_MAX_SHOWN]
                ),
                *_storage(snapshot),
            ),
            concerns_data=True,
        )
    ]


def _storage(snapshot: Snapshot) -> Iterator[str]:
    """The registry's present storage; nothing if it is not known."""
    try:
        config = snapshot.config
    except NotReadError:
        return
    if config is not None:
        yield f"spec.storage of Config cluster: {listed(list(config.spec.storage.backends))}"
