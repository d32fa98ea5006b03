"""The page of each rule is what the registry and the rule's first case say now."""

from __future__ import annotations

from functools import cache

import rule_pages
from rule_pages import DOCS

from treecheck.engine import CRASHED

pages = cache(rule_pages.pages)  # two seconds
HEADINGS = ("## What it does", "## Why is it bad", "## Example", "## Use instead", "## Source")


def test_writing_the_pages_again_changes_nothing() -> None:
    kept = {
        file.relative_to(DOCS).as_posix(): file.read_text(encoding="utf-8")
        for file in DOCS.rglob("*.md")
    }

    wanted = pages()
    assert sorted(kept) == sorted(wanted), "run make docs"
    assert [name for name, text in wanted.items() if kept[name] != text] == [], "run make docs"


def test_every_page_shows_an_example_and_what_to_use_instead() -> None:
    without = {
        name: missing
        for name, text in pages().items()
        if name not in {"rules.md", f"rules/{CRASHED}.md"}
        and (missing := [heading for heading in HEADINGS if f"\n{heading}\n" not in text])
    }

    assert without == {}
