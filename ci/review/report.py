"""The comparison as data: per environment its risks, changes and new findings; and as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ci.review.changes import ResourceChange, compare
from ci.review.redact import clean
from ci.review.risks import RISKY, Risk, View, risks
from treecheck.cluster import Cluster

if TYPE_CHECKING:
    from ci.review.trees import Tree
    from treecheck.model import Finding


@dataclass
class Section:
    """An environment, or another folder that is rendered.

    `unbuilt` says in which version it can't be rendered: "" (in both it can), before or now.
    """

    name: str
    unbuilt: str = ""
    changes: list[ResourceChange] = field(default_factory=list)
    risks: list[Risk] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        """One line."""
        if self.unbuilt:
            before = self.unbuilt == "before"
            return "**could not be rendered before**" if before else "**can't be rendered**"
        if not self.changes:
            return "no change"
        count = f"{len(self.changes)} resource{'s' if len(self.changes) > 1 else ''}"
        risky = sum(risk.weight >= RISKY for risk in self.risks)
        if risky:
            return f"{count}, **{risky} risk{'s' if risky > 1 else ''}**"
        return f"{count}, nothing risky"


@dataclass
class Comparison:
    """Everything that a comment says, in the order in which it says it."""

    sections: list[Section]
    findings: list[Finding]
    failures: list[str]
    unbuilt: dict[str, str] = field(default_factory=dict)


def make_report(base: Tree, head: Tree) -> Comparison:
    """Compare two versions of the repository."""
    sections = []
    for name, changes in compare(base, head).items():
        environment = Cluster(name, head.groups.get(name, []))
        found = [risk for each in changes for risk in risks(View(each, environment, changes))]
        found.sort(key=lambda risk: (-risk.weight, risk.title, risk.sentence))
        unbuilt = "now" if name in head.failed else "before" if name in base.failed else ""
        sections.append(Section(name, unbuilt, changes, found))
    known = {(each.rule, each.resource, each.message) for each in base.findings}
    new = [each for each in head.findings if (each.rule, each.resource, each.message) not in known]
    failures = [each for each in head.failures if each not in base.failures]
    return Comparison(sections, new, failures, head.unbuilt)


def as_data(report: Comparison) -> dict[str, Any]:
    """The report as JSON takes it, without secrets."""
    return {
        "environments": [
            {
                "name": section.name,
                "verdict": section.verdict.replace("**", ""),
                "risks": [
                    {"resource": risk.title, "message": clean(risk.sentence), "weight": risk.weight}
                    for risk in section.risks
                ],
                "changes": [
                    {"resource": each.title, "change": each.verb, "diff": each.lines()}
                    for each in section.changes
                ],
            }
            for section in report.sections
        ],
        "findings": [each.as_dict() for each in report.findings],
        "failures": [clean(each) for each in report.failures],
        "unbuilt": {folder: clean(why) for folder, why in report.unbuilt.items()},
    }
