"""What the checks find, and how it is told."""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")
"""The worst first."""

REMINDER = (
    "Do not delete PVCs, PVs, or object storage data until the data retention decision is confirmed"
)
"""Registry v2: Setting Up and Configuring the Registry, "Operate Storage"."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or soon may be."""

    severity: Severity
    reason: str
    """A short stable name, such as `StorageClassMissing`."""
    subject: str
    """The object: `PersistentVolumeClaim image-registry-system/image-registry`."""
    problem: str
    next_steps: tuple[str, ...]
    """What to run, or to do, next; no command deletes anything."""
    evidence: tuple[str, ...] = ()
    concerns_data: bool = False
    """Whether image data may be at stake, so that REMINDER is in place."""


@dataclass(frozen=True)
class NotChecked:
    """A check that could not be made, or only in part."""

    check: str
    why: str


@dataclass(frozen=True)
class Diagnosis:
    findings: tuple[Finding, ...]
    """The worst first."""
    not_checked: tuple[NotChecked, ...]

    def count(self, severity: Severity) -> int:
        return sum(finding.severity == severity for finding in self.findings)

    def reaches(self, severity: Severity) -> bool:
        """Whether anything is at least that bad."""
        return any(self.count(each) for each in SEVERITIES[: SEVERITIES.index(severity) + 1])


def title(kind: str, name: str, namespace: str = "") -> str:
    """`Kind namespace/name`."""
    return f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}"


def listed(names: list[str], most: int = 5) -> str:
    """Names in one line, the first few of many."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
