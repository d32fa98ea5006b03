"""The rooms of ci/: each imports only those before it, and no modules import each other."""

from __future__ import annotations

import ast
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# docs/architecture.md shows them in this order. `ground` is what lies in ci/ itself.
ROOMS = (
    "ground",
    "git",
    "version",
    "aws",
    "tree",
    "argocd",
    "platform",
    "review",
    "ship",
    "oncall",
    "local",
)
# What calls the rooms: it lies in ci/ itself, and stands above them all.
ENTRANCE = {"ci.__main__", "ci.cli", "ci.reference", "ci.rules_page"}
MOST_PAIRS = 40


def modules() -> dict[str, Path]:
    """Every module of ci by its dotted name."""
    found = {}
    for path in ROOT.glob("ci/**/*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def imports(path: Path) -> set[str]:
    """The modules of ci that a file imports, also those for its types alone."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            # `from ci.tree import settings` imports ci.tree.settings.
            names = {f"{node.module}.{name.name}" for name in node.names}
            found |= (names & MODULES.keys()) or {node.module}
    return found & MODULES.keys()


@cache
def all_imports() -> dict[str, set[str]]:
    """Of every module the others that it imports."""
    return {name: imports(path) - {name} for name, path in MODULES.items()}


def room(module: str) -> str:
    if module in ENTRANCE:
        return "entrance"
    _, _, rest = module.partition(".")
    first = rest.partition(".")[0]
    return first if first in ROOMS else "ground"


def test_every_folder_of_ci_is_a_room() -> None:
    folders = {path.parent.name for path in (ROOT / "ci").glob("*/__init__.py")}
    assert folders == set(ROOMS) - {"ground"}


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_module_imports_only_from_the_rooms_before_its_own(module: str) -> None:
    order = (*ROOMS, "entrance")
    own = order.index(room(module))
    for imported in sorted(all_imports()[module]):
        assert order.index(room(imported)) <= own, (
            f"{module} imports {imported}: the room {room(imported)!r} comes after"
            f" {room(module)!r}. Move what both need into a room before them."
        )


def test_no_modules_import_each_other_in_a_circle() -> None:
    try:
        tuple(TopologicalSorter(all_imports()).static_order())
    except CycleError as error:
        pytest.fail(f"these import each other: {' -> '.join(error.args[1])}")


def test_few_rooms_import_each_other() -> None:
    pairs = {(room(a), room(b)) for a, found in all_imports().items() for b in found}
    assert len({(a, b) for a, b in pairs if a != b}) <= MOST_PAIRS


def test_the_architecture_page_shows_the_rooms_in_their_order() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    places = [page.index(f"  {name}/") for name in ROOMS if name != "ground"]
    assert places == sorted(places)
