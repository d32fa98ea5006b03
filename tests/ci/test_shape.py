"""The shape of the Python code: short files, short functions, and names with one meaning."""

from __future__ import annotations

import ast
import subprocess
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
MOST_LINES_OF_A_FILE = 400
MOST_LINES_OF_A_FUNCTION = 40
# What runs outside of tests.
SHIPPED = ("apps/coworking/coworking/", "bench/", "ci/", "treecheck/treecheck/")


@cache
def _tracked() -> dict[str, str]:
    """Every Python file of the repository, the tests included: its name and text."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "*.py"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    paths = [ROOT / name for name in listed.split("\0") if name]
    return {
        str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
        for path in paths
        if path.is_file()  # a removal that isn't committed yet
    }


@cache
def _definitions() -> tuple[tuple[str, ast.stmt], ...]:
    """Every file's name with each of its classes and functions, at any depth."""
    return tuple(
        (name, node)
        for name, text in _tracked().items()
        for node in _statements(ast.parse(text))
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
    )


def _statements(node: ast.AST) -> Iterator[ast.stmt]:
    """All statements below one: `ast.walk` looks at each expression too, ten times as many."""
    for part in ("body", "orelse", "finalbody", "handlers", "cases"):
        for below in getattr(node, part, ()):
            if isinstance(below, ast.stmt):
                yield below
            yield from _statements(below)


def test_every_file_is_read() -> None:
    assert len(_tracked()) > 500
    assert all(any(name.startswith(folder) for name in _tracked()) for folder in SHIPPED)


def test_no_file_is_long() -> None:
    lengths = {name: len(text.splitlines()) for name, text in _tracked().items()}
    long = {name: lines for name, lines in lengths.items() if lines > MOST_LINES_OF_A_FILE}
    assert not long, f"split each by what its parts are about; {MOST_LINES_OF_A_FILE} lines at most"


def test_no_function_is_long() -> None:
    """From `def` to its last line; the tables in decorators of parametrized tests don't count."""
    long = {
        f"{name}:{node.lineno} {node.name}": length
        for name, node in _definitions()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and (length := (node.end_lineno or 0) - node.lineno + 1) > MOST_LINES_OF_A_FUNCTION
    }
    assert not long, f"give a part of it a name; {MOST_LINES_OF_A_FUNCTION} lines at most"


def test_a_class_name_has_one_meaning() -> None:
    places = defaultdict(list)
    for name, node in _definitions():
        named = isinstance(node, ast.ClassDef) and not node.name.startswith("_")
        if named and name.startswith(SHIPPED):
            places[node.name].append(name)
    twice = {name: files for name, files in places.items() if len(files) > 1}
    assert not twice, "give each class a name of its own, by what it is in its room"
