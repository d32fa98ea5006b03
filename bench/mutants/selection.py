"""Which tests run which lines, learnt once for each file of tests and kept until that changes."""

from __future__ import annotations

import ast
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench.mutants.rooms import ALL, TestedRoom

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bench.mutants.rooms import Mutant
    from bench.mutants.trees import TreeCopy

KEPT = Path(".local/bench/mutants")
LONGEST = 900  # seconds for a file of tests


@dataclass(frozen=True, slots=True)
class RecordedTest:
    """A test, its file, how many seconds it took, and the lines that it ran of each module."""

    name: str
    file: str
    seconds: float
    lines: dict[str, frozenset[int]]


def test_files(root: Path, room: TestedRoom) -> list[str]:
    """The files of a room's tests."""
    found = (each for folder in room.tests for each in (root / folder).rglob("test_*.py"))
    return sorted(each.relative_to(root).as_posix() for each in found)


def learn(tree: TreeCopy, root: Path, file: str) -> tuple[list[RecordedTest], int]:
    """Run a file of tests on the unchanged tree: those that pass, and how many fail."""
    rooms = [room for room in ALL.values() if any(file.startswith(each) for each in room.tests)]
    modules = sorted({each for room in rooms for each in room.files(root)})
    kept = root / KEPT / f"{_digest(root, file, modules)}.jsonl"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        record = tree.root.parent / "record.jsonl"
        record.write_text("", encoding="utf-8")
        files = [str(tree.root / each) for each in modules]
        ran = tree.pytest([file], {"record": str(record), "files": files}, LONGEST)
        if ran.status not in {0, 1}:  # passed, or some failed
            raise click.ClickException(f"{file} does not run on the unchanged tree:\n{ran.output}")
        text = record.read_text(encoding="utf-8").replace(f"{tree.root}/", "")
        kept.write_text(text, encoding="utf-8")
        record.unlink()
    told = [json.loads(line) for line in kept.read_text(encoding="utf-8").splitlines()]
    _ask_again(tree, root, file, [each for each in told if not each["passed"]])
    passed = [
        RecordedTest(
            each["test"],
            file,
            each["seconds"],
            {name: frozenset(run) for name, run in each["lines"].items()},
        )
        for each in told
        if each["passed"]
    ]
    return passed, len(told) - len(passed)


def _ask_again(tree: TreeCopy, root: Path, file: str, failed: list[dict[str, Any]]) -> None:
    """Run the tests that failed while their lines were recorded once more, without that.

    To record takes time, and some tests fail when they are too slow. One that passes now counts as
    running every line of each module that it reached: to ask a test too many does no harm.
    """
    for each in failed:
        if tree.pytest([file], {"order": [each["test"]]}, LONGEST).status != 0:
            continue
        each["passed"] = True
        for name in each["lines"]:
            size = len((root / name).read_bytes().splitlines())
            each["lines"][name] = range(1, size + 1)


def _digest(root: Path, file: str, modules: Iterable[str]) -> str:
    """Of all that decides which lines the tests of a file run."""
    shared = [
        each.relative_to(root).as_posix()
        for folder in {Path(file).parent, Path("tests/ci")}
        for each in (root / folder).glob("*.py")
        if not each.name.startswith("test_")
    ]
    digest = hashlib.sha256()
    for name in sorted({file, *modules, *shared}):
        digest.update(name.encode() + b"\0" + (root / name).read_bytes())
    return digest.hexdigest()[:24]


def chosen(tests: Iterable[RecordedTest], mutant: Mutant, source: bytes) -> list[RecordedTest]:
    """The tests that run a changed line, those of the module's own file first, quick ones first.

    What runs at a module's import, or once in a process, counts for each test that uses the module.
    """
    changed = set(range(mutant.edit.line, mutant.edit.last_line + 1))
    everywhere = not (changed & _inside(source))
    own = f"test_{Path(mutant.path).stem}.py"
    found = [
        each
        for each in tests
        if (run := each.lines.get(mutant.path)) and (everywhere or changed & run)
    ]
    total: dict[str, float] = {}
    for each in found:
        total[each.file] = total.get(each.file, 0) + each.seconds
    return sorted(found, key=lambda t: (Path(t.file).name != own, total[t.file], t.file, t.seconds))


def _inside(source: bytes) -> set[int]:
    """The lines of functions' bodies, without those of functions whose answer is kept."""
    inside: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            kept = any("cache" in ast.dump(each) for each in node.decorator_list)
            body = range(node.body[0].lineno, (node.end_lineno or 0) + 1)
            inside = inside - set(body) if kept else inside | set(body)
    return inside
