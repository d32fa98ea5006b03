"""The text format: findings by the part of the tree that they are in, coloured for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from treecheck.model import Severity

if TYPE_CHECKING:
    from treecheck.engine import Report
    from treecheck.model import Finding

_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow"}


def as_text(report: Report) -> str:
    """Findings by part of the tree, then a line that counts them. Colours are click's to strip."""
    lines: list[str] = []
    groups: dict[tuple[str, ...], list[Finding]] = {}
    for finding in report.findings:
        groups.setdefault(finding.groups, []).append(finding)
    for names, findings in groups.items():
        lines += [click.style(", ".join(names) or "the tree", bold=True)]
        for finding in findings:
            lines += _finding(finding)
        lines.append("")
    notes = [f"note: {note}" for note in report.notes]
    notes += [f"not known: {each}" for each in report.unknown]
    return "\n".join([*lines, *notes, _summary(report)])


def _finding(finding: Finding) -> list[str]:
    place = f"{finding.file}:{finding.line}" if finding.file else ""
    severity = click.style(finding.severity.value, fg=_COLOURS[finding.severity])
    head = "  ".join(filter(None, (severity, finding.rule, finding.resource)))
    sentences = [f"      {finding.message}", f"      fix: {finding.fix}"]
    return [f"  {place}", f"    {head}", *sentences] if place else [f"    {head}", *sentences]


def _summary(report: Report) -> str:
    errors = sum(each.severity is Severity.ERROR for each in report.findings)
    warnings = len(report.findings) - errors
    looked = f"{_count(report.resources, 'resource')} in {_count(report.clusters, 'cluster')}"
    if not report.resources and not report.findings:
        return "Nothing was checked: there are no manifests here."
    if not report.findings and (report.unknown or report.notes):
        return f"Nothing found in what could be looked at: {looked}."
    if not report.findings:
        return f"Nothing found in {looked}."
    return f"{_count(errors, 'error')}, {_count(warnings, 'warning')} in {looked}."


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")
