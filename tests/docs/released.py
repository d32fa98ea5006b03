"""The names that users write: verbs, settings, variables and rules, as they are now.

    python -m tests.docs.released

writes them into released.yaml, which holds those of the newest dated version of CHANGELOG.md.
"""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from ci.cli import VERBS
from ci.tree.settings import SETTINGS
from coworking.config import SETTINGS as VARIABLES
from treecheck.registry import load_rules

FILE = Path(__file__).with_name("released.yaml")
CHANGELOG = Path(__file__).parents[2] / "CHANGELOG.md"


def names() -> dict[str, list[str]]:
    """What it is called -> the names there are."""
    rules = [rule.id for rule in load_rules().values() if rule.is_ours]
    found = {"verb": VERBS, "setting": SETTINGS, "variable": VARIABLES, "rule": rules}
    return {kind: sorted(each) for kind, each in found.items()}


def sections(text: str) -> dict[str, str]:
    """The changelog's headings -> what stands below each, the newest first."""
    return dict(re.findall(r"(?m)^## (.+)\n((?:(?!## ).*\n?)*)", text))


def write() -> None:
    """Record the present names as those of the newest dated version."""
    _, newest, *_ = sections(CHANGELOG.read_text(encoding="utf-8"))
    text = yaml.safe_dump({"version": newest, **names()}, sort_keys=False, width=100)
    FILE.write_text(f"# Written by python -m tests.docs.released.\n{text}", encoding="utf-8")


if __name__ == "__main__":
    write()
