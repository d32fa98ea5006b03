"""Writes the list of rules into docs/validate.md, from the registry: `make docs`."""

from __future__ import annotations

from pathlib import Path

import ci.platform.rules  # noqa: F401  # its rules are registered by importing them
from treecheck.registry import LAYERS, load_rules

PAGE = Path(__file__).resolve().parents[1] / "docs" / "validate.md"
START = "<!-- The list below is written by `make docs`. -->\n"


def rules_list() -> str:
    """Every rule by layer: its id, severity, title, explanation and source."""
    rules = load_rules().values()
    lines: list[str] = []
    for layer, title in LAYERS.items():
        mine = [rule for rule in rules if rule.layer == layer]
        if not mine:
            continue
        lines += [f"## {title}", ""]
        for rule in mine:
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
