"""Writes the rules that this repository adds into docs/validate.md, from the registry: `make docs`.

The checker's own rules have a page each, which treecheck writes.
"""

from __future__ import annotations

from pathlib import Path

import ci.platform.rules  # noqa: F401  # its rules are registered by importing them
from treecheck.registry import load_rules

PAGE = Path(__file__).resolve().parents[1] / "docs" / "validate.md"
START = "<!-- The list below is written by `make docs`. -->\n"


def rules_list() -> str:
    """Each rule of ci: its id, severity, title, explanation and source."""
    lines: list[str] = []
    for rule in load_rules().values():
        if rule.is_ours:  # treecheck's
            continue
        explanation = " ".join(rule.explanation.split())
        lines += [f"### {rule.id}", "", f"{rule.title} ({rule.severity}). {explanation}", ""]
        lines += [f"Source: {rule.source.rstrip('.')}.", ""]
    return "\n".join(lines).rstrip() + "\n"


def written(page: str) -> str:
    """The page with its list as the registry has it now."""
    head, _, _ = page.partition(START)
    return f"{head}{START}\n{rules_list()}"


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
