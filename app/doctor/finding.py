"""The findings of the checks."""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")
"""Severities, worst first."""

REMINDER = (
    "Do not delete PVCs, PVs, or object storage data until the data retention decision is confirmed"
)
"""Registry v2: Setting Up and Configuring the Registry, "Operate Storage"."""


@dataclass(frozen=True)
class Finding:
    """One problem, present or expected soon."""

    severity: Severity
    reason: str
    """A short stable name, such as `StorageClassMissing`."""
    subject: str
    """The object: `PersistentVolumeClaim image-registry-system/image-registry`."""
    problem: str
    next_steps: tuple[str, ...]
    """The next command or step. No command deletes anything."""
    evidence: tuple[str, ...] = ()
    concerns_data: bool = False
    """Whether image data may be lost; then REMINDER is shown."""


@dataclass(frozen=True)
class NotChecked:
    """A check that did not run, or only in part."""

    check: str
    why: str


@dataclass(frozen=True)
class Diagnosis:
    findings: tuple[Finding, ...]
    """The worst first."""
    not_checked: tuple[NotChecked, ...]
    read: bool = True
    """False if nothing at all could be read."""

    def count(self, severity: Severity) -> int:
        return sum(finding.severity == severity for finding in self.findings)

    def reaches(self, severity: Severity) -> bool:
        """Whether a finding has at least this severity."""
        return any(self.count(each) for each in SEVERITIES[: SEVERITIES.index(severity) + 1])


def title(kind: str, name: str, namespace: str = "") -> str:
    """`Kind namespace/name`."""
    return f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}"


def listed(names: list[str], most: int = 5) -> str:
    """The first few names in one line, with the number of the others."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
