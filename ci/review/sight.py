"""What leaves this repository's sight: somebody else's repository, chart or revision brings it.

Nothing can be said of it any more: neither that it is removed nor that it stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ci.review.application_risks import sources
from ci.review.live import applications, deployed_by, followed
from treecheck.model import as_text

if TYPE_CHECKING:
    from ci.review.trees import RenderedTree
    from treecheck.model import Manifest, Resource

MOST_TITLES = 6


@dataclass(frozen=True)
class Unknown:
    """What is not known any more under a heading: why, and of which resources."""

    heading: str
    why: str
    resources: tuple[Resource, ...]

    @property
    def sentence(self) -> str:
        """The whole, as a sentence."""
        titles = [each.title for each in self.resources]
        more = f" and {len(titles) - MOST_TITLES} more" * (len(titles) > MOST_TITLES)
        listed = ", ".join(titles[:MOST_TITLES]) + more
        return f"{self.why}: what becomes of {listed} is not known here"


def left_sight(base: RenderedTree, head: RenderedTree, branch: str) -> list[Unknown]:
    """What an Application or a kustomization takes from elsewhere now, instead of from here."""
    now = {each.key: each for each in applications(head)}
    found = []
    for before in applications(base):
        after = now.get(before.key)
        why = _why(before.body, after.body, branch) if after is not None else ""
        if why:
            for heading, resources in deployed_by(before, base).items():
                found.append(Unknown(heading, f"Application {before.name} {why}", tuple(resources)))
    listed = {each.heading for each in found}
    keys = {each.key for resources in head.groups.values() for each in resources}
    for heading, resources in base.groups.items():
        come = _come(heading, base, head)
        gone = tuple(each for each in resources if each.key not in keys)
        if come and gone and heading not in listed:
            found.append(Unknown(heading, f"it builds on {', '.join(come)} now", gone))
    return found


def _why(before: Manifest, after: Manifest, branch: str) -> str:
    for old, new in zip(sources(before), sources(after), strict=False):
        if new.get("chart") and not old.get("chart"):
            chart = f"{as_text(new.get('chart'))} {as_text(new.get('targetRevision'))}"
            return f"brings chart {chart.strip()} now"
        if old.get("repoURL") != new.get("repoURL"):
            return f"follows {as_text(new.get('repoURL'))} now"
        revision = as_text(new.get("targetRevision"))
        if revision != old.get("targetRevision") and revision not in followed(branch):
            return f"follows {revision} now"
    return ""


def _come(heading: str, base: RenderedTree, head: RenderedTree) -> list[str]:
    """What a heading's folders take from outside, and did not."""
    return [
        each
        for folder, taken in head.outside.items()
        if folder == heading or folder.startswith(f"{heading}/")
        for each in taken
        if each not in base.outside.get(folder, [])
    ]


def without_folder(base: RenderedTree, head: RenderedTree) -> dict[str, str]:
    """Heading -> why Argo CD can't render it: its Application stays, and its folder is gone."""
    now = {each.key: each for each in applications(head)}
    found: dict[str, str] = {}
    for before in applications(base):
        after = now.get(before.key)
        if after is None or sources(before.body) != sources(after.body):
            continue
        for heading, resources in deployed_by(before, base).items():
            folder = resources[0].part.folder
            if folder is None or not folder.is_relative_to(base.root):
                continue
            path = folder.relative_to(base.root)
            if not (head.root / path).exists():
                found[heading] = (
                    f"Application {before.name} names {path.as_posix()}, which is not there"
                )
    return found
