"""The comment's first line: what goes live where at the merge, and what waits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci.review.application_risks import sources
from ci.tree import overlays
from treecheck.model import as_mapping, as_text, at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ci.review.section import Section
    from ci.review.trees import RenderedTree
    from treecheck.model import Manifest, Resource

ENVIRONMENTS = "overlays/"


def live_at_merge(
    sections: list[Section],
    head: RenderedTree,
    *,
    builds: bool = False,
    branch: str = "",
) -> str:
    """What goes live at the merge, for each environment, and what waits for a promotion.

    Args:
        sections: what changes.
        head: the new version.
        builds: whether the merge starts a build of the service.
        branch: the branch that is merged into; "" where only a commit of it is known.
    """
    live: list[str] = []
    for each in sections:
        if each.name.startswith(ENVIRONMENTS) or each.changes or each.risks or each.lost:
            said = _what(each) + how(each, head, branch)
            if each.unknown:
                said = f"not known ({'; '.join(each.unknown)})"
            if each.lost:
                said = f"no longer deployed (Application {', '.join(each.lost)} is gone)"
            live.append(f"`{each.name}` {said}")
    first = overlays.first(head.root)
    waits = f"the service's code, built then and live in {first} first" if builds else "nothing"
    said = f"**Live at the merge:** {'; '.join(live) or 'nothing'}."
    return f"{said} **Waits for a promotion:** {waits}."


def _what(section: Section) -> str:
    if section.versions:
        return ", ".join(f"{v.image} `{v.new}` instead of `{v.old}`" for v in section.versions)
    if section.move:
        more = sum(not section.move.is_part(each) for each in section.changes)
        others = f" and {more} other resource{'s' if more > 1 else ''}" if more else ""
        return f"{section.move.short}{others}"
    if section.changes:
        count = len(section.changes)
        rest = "; the rest can't be rendered" * (section.unbuilt == "now")
        return f"{count} resource{'s' if count > 1 else ''}{rest}"
    if section.unbuilt == "now":
        return "nothing, since it can't be rendered"
    return "what it builds on" if section.risks else "nothing"


def how(section: Section, head: RenderedTree, branch: str) -> str:
    """What has to happen besides the merge, for those of the changes for which it has to."""
    named = {each.name: each.body for each in applications(head)}
    if not named:
        return ""
    notes: dict[str, str] = {}
    for name in sorted({change.resource.part.name for change in section.changes}):
        application = named.get(name)
        notes[name] = (
            ", once an administrator applies it"
            if application is None
            else _once(application, branch)
        )
    said = set(notes.values())
    if len(said) < 2:
        return "".join(said)
    return "".join(f"; {name}'s part{note}" for name, note in notes.items() if note)


def _once(application: Manifest, branch: str) -> str:
    for revision in revisions(application):
        if revision not in followed(branch):
            return f", once `{revision}` has it, which Argo CD follows there"
    automated = at(application, "spec", "syncPolicy", "automated")
    if automated is None or as_mapping(automated).get("enabled") is False:
        return ", once somebody syncs it"
    return ""


def followed(branch: str) -> set[str]:
    """The revisions of an Application by which a merge reaches it; `branch` is merged into."""
    return {"", "HEAD", *([branch] if branch else ["main", "master"])}


def revisions(application: Manifest) -> list[str]:
    """What an Application follows in git, for each of its sources."""
    listed = [each for each in sources(application) if "chart" not in each]
    return [as_text(each.get("targetRevision")) for each in listed]


def lost_applications(base: RenderedTree, head: RenderedTree) -> dict[str, list[str]]:
    """Heading -> the Applications that deployed its resources, and are no longer there."""
    left = {each.key for each in applications(head)}
    gone = [each for each in applications(base) if each.key not in left]
    lost = [each for each in gone if not head.lacks(each, base)]
    found: dict[str, list[str]] = {}
    for application in sorted(lost, key=lambda each: each.name):
        for group in deployed_by(application, base):
            found.setdefault(group, []).append(application.name)
    return found


def deployed_by(application: Resource, tree: RenderedTree) -> dict[str, list[Resource]]:
    """Heading -> the resources that an Application brings, as far as the tree has them."""
    found = {
        group: [each for each in resources if each.part.name == application.name]
        for group, resources in tree.groups.items()
    }
    return {group: resources for group, resources in found.items() if resources}


def applications(tree: RenderedTree) -> Iterator[Resource]:
    """The Applications of a version, those that ApplicationSets generate included."""
    for resources in tree.groups.values():
        for each in resources:
            if each.kind == "Application" and each.group == "argoproj.io":
                yield each
