"""Who imports whom: the package stands alone, and a rule needs no other rule."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(__file__).parents[1] / "treecheck"
REPOSITORY = PACKAGE.parents[1]
# What this repository has beside the package.
OUTSIDE = ("ci", "coworking", "bench", "tests")
# What others may import; the rest may change without notice (treecheck/README.md).
PUBLIC = (
    *("checking", "cluster", "command", "cli", "engine", "errors", "facts", "files", "immutable"),
    *("inputs", "kube", "kustomize", "model", "quantities", "registry", "rendering", "schemas"),
    "settings",
)


@cache
def imports(file: Path) -> list[tuple[int, str]]:
    """(line, module) of each import in a file, those for types only included."""
    return list(_imports(ast.parse(file.read_text(encoding="utf-8"))))


def _imports(module: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield node.lineno, name.name
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.lineno, node.module


def modules(folder: Path) -> list[Path]:
    found = sorted(folder.rglob("*.py"))
    assert found, folder
    return found


def test_the_package_imports_nothing_of_this_repository() -> None:
    wrong = [
        f"{file.relative_to(PACKAGE)}:{line} imports {module}"
        for file in modules(PACKAGE)
        for line, module in imports(file)
        if module.split(".")[0] in OUTSIDE
    ]

    assert wrong == []


def test_no_rule_imports_a_rule() -> None:
    wrong = [
        f"{file.relative_to(PACKAGE)}:{line} imports {module}: move the shared words to kube/"
        for file in modules(PACKAGE / "rules")
        for line, module in imports(file)
        if module.startswith("treecheck.rules")
    ]

    assert wrong == []


def test_what_rules_share_imports_no_rule() -> None:
    wrong = [
        f"{file.relative_to(PACKAGE)}:{line} imports {module}"
        for file in modules(PACKAGE)
        for line, module in imports(file)
        if module.startswith("treecheck.rules") and "rules" not in file.parts
    ]

    assert wrong == []


@pytest.mark.parametrize("folder", ["ci", "bench"])
def test_others_import_public_modules_only(folder: str) -> None:
    wrong = [
        f"{file.relative_to(REPOSITORY)}:{line} imports {module}"
        for file in modules(REPOSITORY / folder)
        for line, module in imports(file)
        if module.startswith("treecheck.") and module.split(".")[1] not in PUBLIC
    ]

    assert wrong == []
