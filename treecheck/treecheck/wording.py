"""How messages show what a manifest says."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

LEAST_HIDDEN = 3  # characters


def shown(value: Any) -> str:
    """A value, cut to what fits a sentence; of a mapping or list only that it is one."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + '…"'


def without(text: str, hidden: Iterable[str]) -> str:
    """A sentence without values that nobody may read; short ones tell nothing and are left.

    >>> without("PIN: 73318842 without quotes", ["73318842"])
    'PIN: (hidden) without quotes'
    """
    for value in sorted(hidden, key=len, reverse=True):
        if len(value) >= LEAST_HIDDEN:
            text = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", "(hidden)", text)
    return text
