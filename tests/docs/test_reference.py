"""docs/reference.md is what `make docs` would write."""

from __future__ import annotations

from ci import reference
from ci.cli import VERBS


def test_the_page_is_what_the_verbs_say() -> None:
    assert reference.PAGE.read_text(encoding="utf-8") == reference.page(), "run make docs"


def test_every_verb_has_a_section_with_its_usage() -> None:
    page = reference.page()
    for verb in VERBS:
        assert f"\n## {verb}\n\n    python -m ci {verb} " in f"\n{page}"


def test_every_option_of_a_verb_is_in_its_section() -> None:
    section = reference.page().partition("\n## resume\n")[2].partition("\n## ")[0]
    for option in ("--source", "--accept", "--stay", "--url URL", "--dry-run"):
        assert f"| `{option}` |" in section


def test_the_commands_of_a_group_are_in_its_section() -> None:
    section = reference.page().partition("\n## sealing-key\n")[2].partition("\n## ")[0]
    assert "| `backup FILE` | Write the cluster's sealing keys to FILE" in section
    assert "| `restore FILE` | " in section
