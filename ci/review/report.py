"""The comparison as data: per environment its risks, changes and new findings; and as JSON."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ci.review.changes import compare
from ci.review.live import ENVIRONMENTS, how, live_at_merge, lost_applications
from ci.review.outside import moved
from ci.review.person import needs_person
from ci.review.redact import clean, clean_sentence, without
from ci.review.restoring import WEIGHT as RESTORED
from ci.review.restoring import claim_move
from ci.review.risks import Risk, View, risks
from ci.review.section import NO_CHANGE, Section
from ci.review.sight import left_sight, without_folder
from ci.review.usage import used
from ci.review.versions import new_versions, with_commits
from ci.tree import overlays
from treecheck.cluster import Cluster
from treecheck.model import as_mapping

if TYPE_CHECKING:
    from pathlib import Path

    from ci.review.trees import RenderedTree
    from treecheck.model import Finding

MOVED = 55  # a risk's weight: what nobody can look at is more than a change of rights


@dataclass
class Comparison:
    """Everything that a comment says.

    `notes` are lines below the first one: the money, the room, and what needs a person.
    """

    sections: list[Section]
    findings: list[Finding]
    failures: list[str]
    unbuilt: dict[str, str] = field(default_factory=dict)
    live: str = ""
    secrets: frozenset[str] = frozenset()
    notes: list[str] = field(default_factory=list)

    @property
    def is_promotion(self) -> bool:
        """Whether versions replace versions, and that is all."""
        changed = [each for each in self.sections if each.verdict != NO_CHANGE]
        return bool(changed) and all(each.versions for each in changed)


def make_report(
    base: RenderedTree,
    head: RenderedTree,
    repository: Path | None = None,
    *,
    builds: bool = False,
    branch: str = "",
) -> Comparison:
    """Compare two versions of the repository.

    Args:
        base, head: the versions.
        repository: where git knows the commits of both, or None.
        builds, branch: as for `live_at_merge`.
    """
    unbuilt = {**without_folder(base, head), **head.unbuilt}
    head = replace(head, failed=head.failed | unbuilt.keys())
    sections = in_order(_sections(base, head, repository, branch), head.root)
    live = live_at_merge(sections, head, builds=builds, branch=branch)
    failures = [each for each in head.failures if each not in base.failures]
    secrets = base.secrets | head.secrets
    new = _new_findings(base, head)
    report = Comparison(sections, new, failures, unbuilt, live, secrets)
    if head.usage and (unbuilt or base.unbuilt):
        report.notes = ["**Money and room:** not known, since not everything can be rendered."]
    else:
        report.notes = list(used(base.usage, head.usage))
    by_hand = [each.name for each in sections if how(each, head, branch)]
    report.notes += filter(None, [needs_person(sections, by_hand)])
    return report


def _sections(
    base: RenderedTree, head: RenderedTree, repository: Path | None, branch: str
) -> list[Section]:
    sections = []
    lost, unknown = lost_applications(base, head), left_sight(base, head, branch)
    gone = [each for one in unknown for each in one.resources]
    for name, changes in compare(base, head, gone).items():
        environment = Cluster(name, head.groups.get(name, []))
        found = [risk for each in changes for risk in risks(View(each, environment, changes))]
        if move := claim_move(changes):
            found = [risk for risk in found if not move.explains(risk)]
            found.append(Risk(RESTORED, move.title, move.sentence))
        found.sort(key=lambda risk: (-risk.weight, risk.title, risk.sentence))
        unbuilt = "now" if name in head.failed else "before" if name in base.failed else ""
        versions = [with_commits(each, repository) for each in new_versions(changes)]
        whys = [each for each in unknown if each.heading == name]
        found[:0] = [Risk(MOVED, name, each.sentence) for each in whys]
        section = Section(name, unbuilt, changes, found, versions, lost.get(name, []))
        section.unknown = [each.why for each in whys]
        section.move = move
        sections.append(section)
    for folder, sentences in moved(base.outside, head.outside).items():
        risks_of = [Risk(MOVED, folder, each) for each in sentences]
        section = _section_of(sections, folder)
        section.risks[:0] = risks_of
        section.versions.clear()
    return sections


def _new_findings(base: RenderedTree, head: RenderedTree) -> list[Finding]:
    """What the head's checks say and the base's don't.

    A finding that only has other words now, since something else moved, is not new.
    """
    said = {(each.rule, each.resource, each.message) for each in base.findings}
    new = [each for each in head.findings if (each.rule, each.resource, each.message) not in said]
    heads = {(each.rule, each.resource, each.message) for each in head.findings}
    left = [e for e in base.findings if (e.rule, e.resource, e.message) not in heads]
    reworded = Counter((each.rule, each.resource, each.severity) for each in left)
    places = {(each.rule, each.file, each.line) for each in left if each.line}
    found = []
    for each in new:
        key = (each.rule, each.resource, each.severity)
        reworded[key] -= 1
        if reworded[key] < 0 and (each.rule, each.file, each.line) not in places:
            found.append(each)
    return found


def _section_of(sections: list[Section], folder: str) -> Section:
    """The section that a folder lies in; a new one where none does."""
    for each in sections:
        if folder == each.name or folder.startswith(f"{each.name}/"):
            return each
    new = Section(folder)
    sections.append(new)
    return new


def in_order(sections: list[Section], root: Path) -> list[Section]:
    """By heading; the environments among themselves in the order of promotion."""
    names = overlays.in_order(
        {each.name.split("/")[1] for each in sections if each.name.startswith(ENVIRONMENTS)}, root
    )

    def place(section: Section) -> tuple[str, int, str]:
        if not section.name.startswith(ENVIRONMENTS):
            return section.name, 0, ""
        return ENVIRONMENTS, names.index(section.name.split("/")[1]), section.name

    return sorted(sections, key=place)


def _finding(finding: Finding) -> dict[str, Any]:
    said = finding.as_dict()
    return {**said, **{key: clean_sentence(str(said[key])) for key in ("message", "fix")}}


def as_data(report: Comparison) -> dict[str, Any]:
    """The report as JSON takes it, without secrets."""
    return as_mapping(_without(_data(report), report.secrets))


def _without(value: Any, secrets: frozenset[str]) -> Any:
    if isinstance(value, dict):
        return {_without(key, secrets): _without(item, secrets) for key, item in value.items()}
    if isinstance(value, list):
        return [_without(item, secrets) for item in value]
    return without(value, secrets) if isinstance(value, str) else value


def _data(report: Comparison) -> dict[str, Any]:
    return {
        "environments": [
            {
                "name": section.name,
                "verdict": section.verdict.replace("**", ""),
                "database": section.move.short if section.move else "",
                "risks": [
                    {
                        "resource": risk.title,
                        "message": clean_sentence(risk.sentence),
                        "weight": risk.weight,
                    }
                    for risk in section.risks
                ],
                "versions": [
                    {
                        "image": each.image,
                        "old": each.old,
                        "new": each.new,
                        "commits": [clean_sentence(line) for line in each.commits],
                    }
                    for each in section.versions
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
        "notes": report.notes,
        "failures": [clean(each) for each in report.failures],
        "unbuilt": {folder: clean(why) for folder, why in report.unbuilt.items()},
    }
