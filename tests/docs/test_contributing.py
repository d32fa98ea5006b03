"""CONTRIBUTING.md's steps, followed in a copy of the repository as they are written."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)(?: (new|into)=(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# A heading inside a block is the block's: `## Unreleased`.
SECTION = re.compile(
    r"^## (.+)\n((?:^```(?:.*\n)+?```\n|(?!^## ).*\n)+)",
    re.MULTILINE,
)
SECTIONS = dict(SECTION.findall(PAGE))
STEP = re.compile(r"^```\w+ (new|into)=", re.MULTILINE)
WITH_STEPS = [title for title, text in SECTIONS.items() if STEP.search(text)]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The files that git tracks, as they are now."""
    names = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    for name in filter(None, names):
        source, target = ROOT / name, tmp_path / name
        if source.is_file() and source.suffix != ".png":
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
    return tmp_path


@pytest.fixture
def run(copy: Path) -> Callable[[str], subprocess.CompletedProcess[str]]:
    """Run a line of a `sh` block in the copy, with this environment's python."""
    paths = [copy, copy / "apps" / "coworking", copy / "treecheck"]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
    }

    def run(line: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "-c", line],
            cwd=copy,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def apply(copy: Path, how: str, name: str, text: str) -> None:
    """Make a block's change: a new file, or lines below one that is there exactly once."""
    path = copy / name
    if how == "new":
        assert not path.exists(), f"{name} is there already"
        path.write_text(text, encoding="utf-8")
        return
    anchor, _, added = text.partition("\n")
    before = path.read_text(encoding="utf-8")
    assert before.count(f"{anchor}\n") == 1, f"{name} has not exactly one line {anchor!r}"
    path.write_text(before.replace(f"{anchor}\n", f"{anchor}\n{added}"), encoding="utf-8")


def follow(title: str, copy: Path) -> list[str]:
    """Make the changes of a section's blocks; returns the commands that show the result."""
    commands = []
    for language, how, name, text in BLOCK.findall(SECTIONS[title]):
        if how:
            apply(copy, how, name, text)
        elif language == "sh":
            commands += text.splitlines()
    assert commands, f"{title!r} ends without a command that shows the result"
    return commands


# Their commands ask all rules, or the whole service, again.
LONG = {"Add a rule", "Add an endpoint"}


@pytest.mark.parametrize("title", sorted(LONG))
def test_each_step_has_its_place(title: str, copy: Path) -> None:
    """Whether the commands then succeed is asked in `make test-long`."""
    commands = follow(title, copy)
    for path in copy.rglob("*.py"):
        text, ours = path.read_text(encoding="utf-8"), ROOT / path.relative_to(copy)
        if not ours.exists() or ours.read_text(encoding="utf-8") != text:
            ast.parse(text, str(path))
    files = [word for line in commands for word in line.split() if word.endswith(".py")]
    assert files
    assert [file for file in files if not (copy / file).exists()] == []


@pytest.mark.thorough
@pytest.mark.parametrize(
    "title",
    [pytest.param(each, marks=[pytest.mark.thorough] * (each in LONG)) for each in WITH_STEPS],
)
def test_the_steps_are_complete(
    title: str, copy: Path, run: Callable[[str], subprocess.CompletedProcess[str]]
) -> None:
    for line in follow(title, copy):
        done = run(line)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"


def test_each_of_these_questions_has_steps() -> None:
    assert {title.removeprefix("Add a ").removeprefix("Add an ") for title in WITH_STEPS} >= {
        "verb",
        "environment variable of the service",
        "endpoint",
        "rule",
    }
