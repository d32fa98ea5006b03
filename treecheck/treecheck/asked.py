"""Manifests that ask for many things which their tree does not have: others keep those."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from treecheck.registry import Raised

LEAST = 3  # names of a kind; one or two are an oversight
NAMED = re.compile(
    r"\b(?:Secret|ConfigMap|PersistentVolumeClaim|Service|ServiceAccount) [a-z0-9][\w.-]*\w"
)
_RULES = frozenset({"config-missing", "claim-missing"})


class Elsewhere:
    """The kinds of which a cluster's manifests ask for so many that others keep them.

    Args:
        raised: what was found in the cluster.
        made: whether the tree makes `Secret web` anywhere. What it makes is in the wrong place.
    """

    def __init__(self, raised: Iterable[Raised], made: Callable[[str], bool]) -> None:
        self._names: dict[str, set[str]] = {}
        self._made = made
        for each in raised:
            for what in self._missing(each):
                self._names.setdefault(what.partition(" ")[0], set()).add(what)

    def why(self, raised: Raised) -> str:
        """Why it can't be known whether what one asks for is there, as a sentence, or ""."""
        for what in self._missing(raised):
            kind = what.partition(" ")[0]
            if (count := len(self._names.get(kind, ()))) >= LEAST:
                return (
                    f"manifests ask for {count} {kind}s that this tree does not have, so which "
                    "ones are kept elsewhere can't be known"
                )
        return ""

    def _missing(self, raised: Raised) -> list[str]:
        """`Secret web`, which a manifest asks for and nothing makes."""
        if raised.rule.id not in _RULES:
            return []
        named = NAMED.findall(raised.problem.message)[:1]
        return [what for what in named if not self._made(what)]
