"""The lines of argocd/bootstrap.md, dealt out to the steps of the plan."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from ci.errors import InputError
from ci.platform.plan.step import Action

if TYPE_CHECKING:
    from pathlib import Path

PAGE = "argocd/bootstrap.md"
# Which step a line belongs to, by how it begins; the page's order must be the steps'.
BELONGS = (
    ("argocd", re.compile(r"kubectl apply .*-k argocd/(config|install|addons|start)\b")),
    ("seal", re.compile(r"make seal(-cert)? ")),
    ("push", re.compile(r"git (add|commit|push)\b")),
    (
        "hand-over",
        re.compile(r"kubectl apply (-k argocd(/projects)?|-f argocd/apps/root\.yaml)$"),
    ),
)
# For a cluster that somebody else made; eksctl has done it for the person who made this one.
_KUBECONFIG = re.compile(r"aws eks update-kubeconfig\b")


class Lines(NamedTuple):
    """The lines with the step that each belongs to, in the page's order."""

    dealt: tuple[tuple[str, str], ...]

    def of(self, step: str) -> tuple[Action, ...]:
        """The actions of a step."""
        return tuple(Action(line) for name, line in self.dealt if name == step)


def lines(root: Path) -> Lines:
    """Read the page's first block.

    Raises:
        InputError: it has no block, or a line in it belongs to no step.
    """
    parts = (root / PAGE).read_text(encoding="utf-8").split("```")
    block = parts[1].strip().splitlines() if len(parts) > 1 else []
    dealt = []
    for line in (re.sub(r"\s+#.*", "", one).strip() for one in block):
        if not line or _KUBECONFIG.match(line):
            continue
        step = next((name for name, begins in BELONGS if begins.match(line)), None)
        if step is None:
            raise InputError(
                f"{PAGE} has the line `{line}`, which belongs to no step of the plan",
                hint="Add it to BELONGS in ci/platform/plan/bootstrap.py.",
            )
        dealt.append((step, line))
    return Lines(tuple(dealt))
