"""Forms of names and other texts."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from treecheck.limits.words import Keywords


def fits(text: str, form: Keywords) -> bool:
    """Whether a text has a form of `limits.words`."""
    longest = form.get("maxLength", len(text))
    return len(text) <= longest and re.search(str(form["pattern"]), text) is not None


def suggest(word: str, known: Iterable[str]) -> str:
    """How to fix an unknown word: by the nearest known one, or by one of them all."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"Write {near[0]}." if near else f"Valid: {', '.join(known)}."
