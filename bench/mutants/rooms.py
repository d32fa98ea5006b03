"""The rooms whose tests are asked, and the changes that can be drawn there."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.mutants.edits import Replacement, candidates, is_valid

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class TestedRoom:
    """Where a room's modules lie, and the folders of its tests; paths in the tree."""

    modules: str
    tests: tuple[str, ...]

    def files(self, root: Path) -> list[str]:
        """The room's modules, in order."""
        found = (root / self.modules).glob("*.py")
        return sorted(each.relative_to(root).as_posix() for each in found)


# The verb `set-image` lies in ci/ship and writes with ci/version, so both are tested through it.
# The engine is the checker without its rules and without what these know of Kubernetes.
ROOMS = {
    "review": TestedRoom("ci/review", ("tests/ci/review",)),
    "oncall": TestedRoom("ci/oncall", ("tests/ci/oncall",)),
    "version": TestedRoom("ci/version", ("tests/ci/version",)),
    "ship": TestedRoom("ci/ship", ("tests/ci/ship", "tests/ci/version")),
    "engine": TestedRoom("treecheck/treecheck", ("treecheck/tests",)),
}
# Not drawn from unless it is named.
MORE = {"git": TestedRoom("ci/git", ("tests/ci/git", "tests/ci/version"))}
ALL = ROOMS | MORE


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of one module of a room."""

    room: str
    path: str
    edit: Replacement


def mutants(root: Path, rooms: Iterable[str]) -> list[Mutant]:
    """Every change of the rooms' modules, also the few that are not valid."""
    return [
        Mutant(room, path, edit)
        for room in rooms
        for path in ALL[room].files(root)
        for edit in candidates((root / path).read_bytes())
    ]


def valid(root: Path, found: Iterable[Mutant]) -> Iterator[Mutant]:
    """Those that leave another valid module."""
    return (each for each in found if is_valid(each.edit, (root / each.path).read_bytes()))


def draw(root: Path, rooms: Iterable[str], number: int, seed: int) -> list[Mutant]:
    """`number` changes of the rooms, each as likely as any other."""
    every = mutants(root, rooms)
    random.Random(seed).shuffle(every)
    return list(itertools.islice(valid(root, every), number))
