"""The output of `registry-admission doctor`: a table with details, or data for scripts."""

from typing import Any

import click

from app.cli import output, table
from app.doctor.finding import REMINDER, SEVERITIES, Diagnosis, Finding


def show(diagnosis: Diagnosis, form: str, *, headers: bool) -> None:
    """Print a diagnosis as `form`: table, name, json or yaml."""
    match form:
        case "json" | "yaml":
            output.show(output.enveloped("Diagnosis", content(diagnosis)), form)
        case "name":
            subjects = dict.fromkeys(finding.subject for finding in diagnosis.findings)
            click.echo("".join(f"{subject}\n" for subject in subjects), nl=False)
        case _:
            _show_table(diagnosis, headers)


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


def _show_table(diagnosis: Diagnosis, headers: bool) -> None:
    if diagnosis.findings:
        rows = [
            (finding.severity, finding.subject, finding.reason, finding.problem)
            for finding in diagnosis.findings
        ]
        table.show(("Severity", "Object", "Reason", "Problem"), rows, headers=headers)
        for finding in diagnosis.findings:
            _show_details(finding)
    why: dict[str, list[str]] = {}
    for item in diagnosis.not_checked:
        why.setdefault(item.why, []).append(item.check)
    for reason, names in why.items():
        click.echo(f"Not checked: {', '.join(names)}: {reason}", err=True)
    if any(finding.concerns_data for finding in diagnosis.findings):
        click.echo(f"{REMINDER}.", err=True)
    counts = ", ".join(f"{severity}: {diagnosis.count(severity)}" for severity in SEVERITIES)
    click.echo(f"Findings: {counts}. Not checked: {len(diagnosis.not_checked)}.", err=True)


def _show_details(finding: Finding) -> None:
    """The evidence, and commands that can be copied."""
    click.echo(f"\n{finding.subject} ({finding.reason}):")
    for line in finding.evidence:
        click.echo(f"  - {line}")
    click.echo("  Next:")
    for step in finding.next_steps:
        click.echo(f"    {step}")
