"""The names that a tree chooses are asked of it: no module of ci writes them down again."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from ci.tree import overlays, settings

ROOT = Path(__file__).parents[2]
NAMES = {"dev", "prod", "coworking"}
BEGINNING = re.compile(r"\bcoworking-$")
# The defaults of the settings: the service's name, and the two environments in their order.
DEFAULTS = ("ci/tree/settings.py", ["coworking", "dev", "prod"])


def literals(source: str) -> list[str]:
    """The string literals of a module that are one of the names, also inside an f-string.

    The beginning of a name that is put together counts too: `f"coworking-{environment}"`.
    """
    tree = list(ast.walk(ast.parse(source)))
    joined = {part for node in tree if isinstance(node, ast.JoinedStr) for part in node.values}
    return [
        node.value
        for node in tree
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and (node.value in NAMES or (node in joined and BEGINNING.search(node.value)))
    ]


@pytest.mark.parametrize(
    "line", ['x = "prod"', 'f(f"{x}dev")', 'def f(a="coworking"): ...', 'f"-n coworking-{x}"']
)
def test_a_written_name_is_seen(line: str) -> None:
    assert len(literals(line)) == 1


def test_no_module_names_an_environment_or_the_service() -> None:
    found = {
        path.relative_to(ROOT).as_posix(): sorted(names)
        for path in sorted(ROOT.glob("ci/**/*.py"))
        if (names := literals(path.read_text(encoding="utf-8")))
    }
    where, names = DEFAULTS
    assert found == {where: names}, (
        "ask ci.tree.overlays: first(), last(), before(), namespace(), SERVICE"
    )


def test_the_defaults_are_those_of_the_settings() -> None:
    assert settings.Settings._field_defaults["environments"] == ("dev", "prod")
    assert {settings.SERVICE, *overlays.promotion_order(Path("/nowhere"))} == NAMES
