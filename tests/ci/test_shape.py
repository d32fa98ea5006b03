"""The shape of the Python code: what keeps a name from having two meanings."""

from __future__ import annotations

import ast
import subprocess
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[2]
TRACKED = subprocess.run(
    ["git", "ls-files", "-z", "*.py"], cwd=ROOT, check=True, capture_output=True, text=True
).stdout.split("\0")
FILES = [name for name in TRACKED if name and (ROOT / name).is_file()]
SHIPPED = ("apps/coworking/coworking/", "bench/", "ci/", "treecheck/treecheck/")


def parsed(name: str) -> ast.Module:
    return ast.parse((ROOT / name).read_text(encoding="utf-8"))


def test_a_class_name_has_one_meaning() -> None:
    places = defaultdict(list)
    for name in FILES:
        if name.startswith(SHIPPED):
            for node in ast.walk(parsed(name)):
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    places[node.name].append(name)
    assert len(places) > 200  # it reads them at all
    twice = {name: files for name, files in places.items() if len(files) > 1}
    assert not twice, "give each class a name of its own, by what it is in its room"
