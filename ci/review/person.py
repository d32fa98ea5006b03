"""Whether a change needs a person besides the merge, and for what: a hook, sealing, data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci.review.risks import HOLDS_DATA
from treecheck.kube import waves
from treecheck.model import as_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ci.review.section import Section

DATA = 80  # risks of this weight and above: what is deleted, can't change, or does not move along
FIXED = 90  # a field that can't change
FORCED = "by Force=true"  # Argo CD deletes it and creates it again by itself


def needs_person(sections: Iterable[Section], by_hand: Iterable[str] = ()) -> str:
    """The line of the comment; empty where nothing changes.

    `by_hand` are the headings whose changes take more than the merge (see `live.how`).
    """
    listed = list(sections)
    if not any(each.changes for each in listed):
        return ""
    reasons = list(dict.fromkeys(each for section in listed for each in _reasons(section)))
    if names := ", ".join(f"`{name}`" for name in by_hand):
        reasons.append(f"work by hand ({names}, as the first line says)")
    return f"**Needs a person:** {'; '.join(reasons) or 'no, the merge is all'}."


def _reasons(section: Section) -> Iterator[str]:
    for change in section.changes:
        resource, options = change.resource, as_text(change.resource.annotations.get(waves.OPTIONS))
        if waves.is_hook(resource) and change.after is not None and not section.versions:
            yield f"hook ({change.title} runs at the sync, and a rollback does not undo it)"
        if resource.kind == "SealedSecret" and change.after is not None:
            yield f"sealing ({change.title}: the new value must hold where it is used)"
        if change.after is None and "Prune=confirm" in waves.words(options):
            yield f"confirmation ({change.title} waits in Argo CD until somebody confirms it)"
        for risk in section.risks:
            if risk.title == change.title and risk.weight >= DATA and FORCED not in risk.sentence:
                holds = resource.kind in HOLDS_DATA or risk.weight != FIXED
                yield f"{'data' if holds else 'replacement'} ({change.title}, see below)"
