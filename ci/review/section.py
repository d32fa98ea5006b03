"""What a change does under one heading: an environment, or another folder that is rendered."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ci.review.risks import RISKY, Risk

if TYPE_CHECKING:
    from ci.review.changes import ResourceChange
    from ci.review.restoring import ClaimMove
    from ci.review.versions import NewVersion

NO_CHANGE = "no change"


@dataclass
class Section:
    """An environment, or another folder that is rendered.

    `unbuilt` says in which version it can't be rendered: "" (in both it can), before or now.
    `unknown` says why what it held is no longer known.
    `lost` are the Applications that deployed it, and are gone.
    `move` is that of the database's claim: a restore, or a way back.
    `versions` are what its changes come to, where they replace versions of ours and nothing else.
    """

    name: str
    unbuilt: str = ""
    changes: list[ResourceChange] = field(default_factory=list)
    risks: list[Risk] = field(default_factory=list)
    versions: list[NewVersion] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    move: ClaimMove | None = None

    @property
    def verdict(self) -> str:
        """One line."""
        unbuilt = {"before": "**could not be rendered before**", "now": "**can't be rendered**"}
        words = unbuilt.get(self.unbuilt, "")
        words = words or "**no longer deployed**" * bool(self.lost)
        words = words or "**not known**" * bool(self.unknown)
        if not self.changes:
            moved = f"what it builds on, **{_counted(len(self.risks), 'risk')}**"
            return words or (moved if self.risks else NO_CHANGE)
        if words:
            return words
        count = f"{len(self.changes)} resource{'s' if len(self.changes) > 1 else ''}"
        risky = sum(risk.weight >= RISKY for risk in self.risks)
        if self.move:
            others = f", **{_counted(risky - 1, 'other risk')}**" if risky > 1 else ""
            return f"{count}, **{self.move.short}**{others}"
        if risky:
            return f"{count}, **{risky} risk{'s' if risky > 1 else ''}**"
        return f"{count}, nothing risky"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number > 1 else ''}"
