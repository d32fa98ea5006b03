"""Plain files that ask for many things which their tree does not have: others keep those."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from treecheck.registry import Raised

LEAST = 3  # names of a kind; one or two are an oversight
NAMED = re.compile(
    r"\b(?:Secret|ConfigMap|PersistentVolumeClaim|Service|ServiceAccount) [a-z0-9][\w.-]*\w"
)
_RULES = frozenset({"config-missing", "claim-missing"})


class Elsewhere:
    """The kinds of which the plain files of a cluster ask for so many that others keep them."""

    def __init__(self, raised: Iterable[Raised]) -> None:
        self._names: dict[str, set[str]] = {}
        for each in raised:
            for kind, name in _missing(each):
                self._names.setdefault(kind, set()).add(name)

    def why(self, raised: Raised) -> str:
        """Why it can't be known whether what one asks for is there, as a sentence, or ""."""
        for kind, _ in _missing(raised):
            if (count := len(self._names.get(kind, ()))) >= LEAST:
                return (
                    f"plain files ask for {count} {kind}s that this tree does not have, so which "
                    "ones are kept elsewhere can't be known"
                )
        return ""


def _missing(raised: Raised) -> list[tuple[str, str]]:
    """(kind, name) of what a plain file asks for and nothing makes."""
    resource = raised.resource
    if raised.rule.id not in _RULES or resource is None or not resource.part.loose:
        return []
    kind, _, name = next(iter(NAMED.findall(raised.problem.message)), "").partition(" ")
    return [(kind, name)] if name else []
