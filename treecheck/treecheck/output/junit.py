"""JUnit XML, as test reporters read it: a case for each rule and place that found something."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from treecheck.engine import Report

# Characters that XML 1.0 can't hold, even escaped.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def as_junit(report: Report) -> str:
    """One suite; without findings it holds one case that passed."""
    failed = len(report.findings)
    counts = {"tests": str(max(failed, 1)), "failures": str(failed), "errors": "0"}
    suites = ET.Element("testsuites", {"name": "validate", **counts})
    suite = ET.SubElement(suites, "testsuite", {"name": "validate", **counts})
    if not report.findings:
        ET.SubElement(suite, "testcase", {"classname": "validate", "name": "nothing found"})
    for finding in report.findings:
        where = finding.resource or finding.file
        case = ET.SubElement(
            suite, "testcase", {"classname": finding.rule, "name": _clean(where) or finding.rule}
        )
        failure = ET.SubElement(
            case, "failure", {"message": _clean(finding.message), "type": finding.severity.value}
        )
        place = f"{finding.file}:{finding.line}\n" if finding.file else ""
        failure.text = _clean(f"{place}{finding.message}\nfix: {finding.fix}")
    ET.indent(suites)
    return ET.tostring(suites, encoding="unicode", xml_declaration=True)


def _clean(text: str) -> str:
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)
