"""SARIF 2.1.0 (OASIS), the format in which code hosts take findings."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from treecheck.registry import RULES

if TYPE_CHECKING:
    from treecheck.engine import Report
    from treecheck.model import Finding
    from treecheck.registry import Rule

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def as_sarif(report: Report) -> str:
    """One run; its rules are those that found something."""
    used = sorted({finding.rule for finding in report.findings})
    driver = {
        "name": "python -m ci validate",
        "rules": [_rule(RULES[name]) for name in used],
    }
    results = [_result(finding, used.index(finding.rule)) for finding in report.findings]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    log = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=2, ensure_ascii=False)


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.explanation or rule.title},
        "help": {"text": f"{rule.explanation}\n\nSource: {rule.source}".strip()},
        "defaultConfiguration": {"level": rule.severity.value},
    }


def _result(finding: Finding, index: int) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "ruleIndex": index,
        "level": finding.severity.value,
        "message": {"text": f"{finding.message}. {finding.fix}"},
    }
    location: dict[str, Any] = {}
    if finding.file:
        physical: dict[str, Any] = {"artifactLocation": {"uri": finding.file}}
        if finding.line > 0:
            physical["region"] = {"startLine": finding.line}
        location["physicalLocation"] = physical
    if finding.resource:
        location["logicalLocations"] = [
            {"fullyQualifiedName": finding.resource, "kind": "resource"}
        ]
    return {**result, "locations": [location]} if location else result
