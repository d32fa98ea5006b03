"""The commands and manifests of docs/grow.md, as they are written there."""

from __future__ import annotations

import re

from tests.postgres.claim import ROOT

PAGE = ROOT / "docs" / "grow.md"


def blocks(language: str) -> list[str]:
    """The page's blocks of a language, in their order."""
    text = PAGE.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def block(beginning: str) -> str:
    """The block of shell lines that begins so."""
    (found,) = (each for each in blocks("sh") if each.startswith(beginning))
    return found
