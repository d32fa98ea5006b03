"""How messages show what a manifest says."""

from __future__ import annotations

import json
from typing import Any


def shown(value: Any) -> str:
    """A value, cut to what fits a sentence; of a mapping or list only that it is one."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + '…"'
