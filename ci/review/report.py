"""The comparison as data: per environment its risks, changes and new findings; and as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ci.review.changes import ResourceChange, compare
from ci.review.outside import moved
from ci.review.redact import clean, clean_sentence
from ci.review.risks import RISKY, Risk, View, risks
from treecheck.cluster import Cluster
from treecheck.model import as_mapping, as_text, at

if TYPE_CHECKING:
    from ci.review.trees import RenderedTree
    from treecheck.model import Finding

MOVED = 55  # a risk's weight: what nobody can look at is more than a change of rights
ENVIRONMENTS = "overlays/"


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
        if not self.changes and not self.risks:
            return "no change"
        if not self.changes:
            return f"what it builds on, **{_counted(len(self.risks), 'risk')}**"
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
    live: str = ""


def make_report(base: RenderedTree, head: RenderedTree, *, builds: bool = False) -> Comparison:
    """Compare two versions of the repository; `builds` says whether the merge starts a build."""
    sections = []
    for name, changes in compare(base, head).items():
        environment = Cluster(name, head.groups.get(name, []))
        found = [risk for each in changes for risk in risks(View(each, environment, changes))]
        found.sort(key=lambda risk: (-risk.weight, risk.title, risk.sentence))
        unbuilt = "now" if name in head.failed else "before" if name in base.failed else ""
        sections.append(Section(name, unbuilt, changes, found))
    for folder, sentences in moved(base.outside, head.outside).items():
        risks_of = [Risk(MOVED, folder, each) for each in sentences]
        _section_of(sections, folder).risks[:0] = risks_of
    known = {(each.rule, each.resource, each.message) for each in base.findings}
    new = [each for each in head.findings if (each.rule, each.resource, each.message) not in known]
    failures = [each for each in head.failures if each not in base.failures]
    live = live_at_merge(sections, head, builds=builds)
    return Comparison(sections, new, failures, head.unbuilt, live)


def _section_of(sections: list[Section], folder: str) -> Section:
    """The section that a folder lies in; a new one where none does."""
    for each in sections:
        if folder == each.name or folder.startswith(f"{each.name}/"):
            return each
    new = Section(folder)
    sections.append(new)
    sections.sort(key=lambda each: each.name)
    return new


def live_at_merge(sections: list[Section], head: RenderedTree, *, builds: bool) -> str:
    """What goes live at the merge, for each environment, and what waits for a promotion."""
    names = [each.name for each in sections if each.name.startswith(ENVIRONMENTS)]
    live: list[str] = []
    for each in sections:
        if each.unbuilt == "now":
            live.append(f"`{each.name}` nothing, since it can't be rendered")
        elif each.name in names or each.changes:
            by_hand = ", once somebody syncs it" * (each.changes != [] and _manual(each.name, head))
            count = _counted(len(each.changes), "resource") if each.changes else "nothing"
            live.append(f"`{each.name}` {count}{by_hand}")
    waits = "the service's code, built then and live in dev first" if builds else "nothing"
    said = f"**Live at the merge:** {'; '.join(live) or 'nothing'}."
    return f"{said} **Waits for a promotion:** {waits}."


def _manual(name: str, tree: RenderedTree) -> bool:
    """Whether an Application of a section's folders is synced by hand."""
    for resources in tree.groups.values():
        for each in resources:
            path = as_text(at(each.body, "spec", "source", "path"))
            if each.kind == "Application" and (path == name or path.startswith(f"{name}/")):
                automated = at(each.body, "spec", "syncPolicy", "automated")
                if automated is None or as_mapping(automated).get("enabled") is False:
                    return True
    return False


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number > 1 else ''}"


def _finding(finding: Finding) -> dict[str, Any]:
    said = finding.as_dict()
    return {**said, **{key: clean_sentence(str(said[key])) for key in ("message", "fix")}}


def as_data(report: Comparison) -> dict[str, Any]:
    """The report as JSON takes it, without secrets."""
    return {
        "environments": [
            {
                "name": section.name,
                "verdict": section.verdict.replace("**", ""),
                "risks": [
                    {
                        "resource": risk.title,
                        "message": clean_sentence(risk.sentence),
                        "weight": risk.weight,
                    }
                    for risk in section.risks
                ],
                "changes": [
                    {"resource": each.title, "change": each.verb, "diff": each.lines()}
                    for each in section.changes
                ],
            }
            for section in report.sections
        ],
        "findings": [_finding(each) for each in report.findings],
        "live": report.live,
        "failures": [clean(each) for each in report.failures],
        "unbuilt": {folder: clean(why) for folder, why in report.unbuilt.items()},
    }
