"""Whether a change is a restore of a database, which git says as another claim and a moment.

`python -m ci restore` writes it into `overlays/*/postgres/claim` (see `ci.tree.claim`); a revert of
it goes back to the claim before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ci.tree.claim import number_of
from treecheck.model import as_list, as_mapping, as_text, at

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ci.review.changes import ResourceChange
    from ci.review.risks import Risk
    from treecheck.model import Manifest

WEIGHT = 95  # only what is deleted is worse
_SERVER, _RESTORE = "postgresql", "postgresql-restore"  # base/postgres


@dataclass(frozen=True)
class ClaimMove:
    """The database's claim becomes another one.

    Attributes:
        title: of the StatefulSet.
        old, new: the claims' names.
        to: what the new one is filled with: latest, a backup's name, or a moment; else empty.
        backup, timeline: what the restore begins with and follows; empty for the repository's own.
    """

    title: str
    old: str
    new: str
    to: str
    backup: str
    timeline: str

    @property
    def goes_back(self) -> bool:
        """Whether the claim was used before: each restore takes the next number."""
        return (number_of(self.new) or 0) < (number_of(self.old) or 0)

    @property
    def short(self) -> str:
        """What it is, in a few words without a word of the change's own."""
        if self.goes_back:
            return "the database goes back to an earlier claim"
        return "a restore of the database" if self.to else "a new claim for the database"

    @property
    def sentence(self) -> str:
        """What it does to the data."""
        kept = f"{self.old} keeps its data, and reverting this commit goes back to it"
        if self.goes_back:
            return (
                f"this goes back to the claim {self.new}, with what was written there until it was"
                f" left. What was written since stays in {self.old}"
            )
        if not self.to:
            return (
                f"this names the claim {self.new}, and no restore fills it: the database is new if"
                f" the backups' path is new too, else it waits for a decision. {kept}"
            )
        begins = f", from backup {self.backup}" * bool(self.backup)
        follows = f", on timeline {self.timeline}" * bool(self.timeline)
        lost = "" if self.to == "latest" else " What was written later is not in it."
        return (
            f"this restores the database to {self.to}{begins}{follows}, into {self.new}.{lost} It"
            f" is away until the claim is filled. {kept}"
        )

    def is_part(self, change: ResourceChange) -> bool:
        """Whether it takes this change: of the StatefulSet, the claims, or what fills them."""
        name = change.title.rpartition("/")[2]
        claims = change.resource.kind == "PersistentVolumeClaim" and name in (self.old, self.new)
        return claims or name == _RESTORE or change.title == self.title

    def explains(self, risk: Risk) -> bool:
        """Whether its sentence says what a risk says, of the claims alone."""
        name = risk.title.rpartition("/")[2]
        left = name == self.old and risk.sentence.startswith("it is left out of git; Prune=false")
        moved = f"volume data was the claim {self.old} and becomes the claim {self.new}:"
        return left or (risk.title == self.title and risk.sentence.startswith(moved))


def claim_move(changes: Iterable[ResourceChange]) -> ClaimMove | None:
    """The move of the database's claim among an environment's changes; None without one."""
    listed = list(changes)
    for change in listed:
        if change.resource.kind != "StatefulSet" or change.resource.name != _SERVER:
            continue
        old, new = (_claim(side or {}) for side in (change.before, change.after))
        if old and new and old != new:
            values = _values(listed)
            wanted = ("RESTORE_TO", "RESTORE_SET", "RESTORE_TIMELINE")
            return ClaimMove(change.title, old, new, *(values.get(name, "") for name in wanted))
    return None


def _claim(server: Manifest) -> str:
    for volume in map(as_mapping, as_list(at(server, "spec", "template", "spec", "volumes"))):
        if volume.get("name") == "data":
            return as_text(at(volume, "persistentVolumeClaim", "claimName"))
    return ""


def _values(changes: list[ResourceChange]) -> dict[str, str]:
    """What git says about the restore, where that changes."""
    for change in changes:
        if change.title.rpartition("/")[2] == _RESTORE:
            data = as_mapping(at(change.after or {}, "data"))
            return {name: as_text(value) for name, value in data.items()}
    return {}
