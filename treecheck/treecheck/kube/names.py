"""Forms of names and other texts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from treecheck.limits.words import Keywords


def fits(text: str, form: Keywords) -> bool:
    """Whether a text has a form of `limits.words`."""
    longest = form.get("maxLength", len(text))
    return len(text) <= longest and re.search(str(form["pattern"]), text) is not None
