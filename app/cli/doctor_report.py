"""What `registry-admission doctor` prints: a text to read, or data for scripts."""

import json
from typing import Any

import click
import yaml
from rich.console import Console
from rich.table import Table

from app.doctor.finding import REMINDER, SEVERITIES, Diagnosis, Finding

FORMATS = ("table", "json", "yaml")
_STYLES = {"error": "red", "warning": "yellow", "info": "blue"}


def show(diagnosis: Diagnosis, output: str) -> None:
    """Print a diagnosis in one of FORMATS."""
    match output:
        case "json":
            click.echo(json.dumps(content(diagnosis), indent=2))
        case "yaml":
            click.echo(yaml.safe_dump(content(diagnosis), sort_keys=False), nl=False)
        case _:
            _show_table(diagnosis)


def content(diagnosis: Diagnosis) -> dict[str, Any]:
    return {
        "findings": [_finding(finding) for finding in diagnosis.findings],
        "notChecked": [{"check": item.check, "why": item.why} for item in diagnosis.not_checked],
        "summary": {severity: diagnosis.count(severity) for severity in SEVERITIES},
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "severity": finding.severity,
        "reason": finding.reason,
        "object": finding.subject,
        "problem": finding.problem,
        "evidence": list(finding.evidence),
        "next": list(finding.next_steps),
        "reminder": REMINDER if finding.concerns_data else None,
    }


def _show_table(diagnosis: Diagnosis) -> None:
    out = Console(markup=False, highlight=False, soft_wrap=False)
    if diagnosis.findings:
        table = Table("Severity", "Object", "What is wrong", show_lines=True)
        for finding in diagnosis.findings:
            problem = "\n".join(
                [f"{finding.reason}: {finding.problem}", *(f"- {e}" for e in finding.evidence)]
            )
            table.add_row(finding.severity, finding.subject, problem,
                          style=_STYLES[finding.severity])  # fmt: skip
        out.print(table)
        _show_next_steps(diagnosis)
    why: dict[str, list[str]] = {}
    for item in diagnosis.not_checked:
        why.setdefault(item.why, []).append(item.check)
    for reason, names in why.items():
        click.echo(f"Not checked: {', '.join(names)}: {reason}")
    if any(finding.concerns_data for finding in diagnosis.findings):
        click.echo(f"{REMINDER}.")
    counts = ", ".join(f"{severity}: {diagnosis.count(severity)}" for severity in SEVERITIES)
    click.echo(f"Findings: {counts}. Not checked: {len(diagnosis.not_checked)}.")


def _show_next_steps(diagnosis: Diagnosis) -> None:
    """Outside of the table, where a command can be copied."""
    for finding in diagnosis.findings:
        click.echo(f"Next, for {finding.subject} ({finding.reason}):")
        for step in finding.next_steps:
            click.echo(f"  {step}")
