"""Every page: its commands exist, its links lead somewhere, what it must list is there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from ci.cli import VERBS
from coworking.cli import group as coworking

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    ROOT / "argocd" / "bootstrap.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
TARGETS = set(re.findall(r"^([a-z0-9-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
LINK = re.compile(r"\]\((?!https?://|mailto:)([^)#\s]*)(?:#([\w-]+))?\)")


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def commands(page: Path) -> list[str]:
    """What stands in fenced blocks and in code spans, a command each."""
    text = page.read_text(encoding="utf-8")
    fenced = re.findall(r"^```(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    blocks = [block for language, block in fenced if language in ("", "sh", "console")]
    lines = [line.strip().removeprefix("$ ") for block in blocks for line in block.splitlines()]
    return [*lines, *re.findall(r"(?<!`)`([^`\n]+)`(?!`)", text)]


def slug(title: str) -> str:
    """The anchor that GitHub makes of a heading."""
    return re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_make_target_that_a_page_names_exists(page: Path) -> None:
    named = {
        match[1]
        for command in commands(page)
        if (match := re.match(r"make ([a-z][a-z0-9-]*)\b", command))
    }
    assert named <= TARGETS


# CONTRIBUTING.md makes a verb of its own, which test_contributing.py then runs.
@pytest.mark.parametrize("page", [p for p in PAGES if p.name != "CONTRIBUTING.md"], ids=name)
def test_every_verb_that_a_page_names_exists(page: Path) -> None:
    for command in commands(page):
        words = command.split()
        if words[:3] == ["python", "-m", "ci"] and len(words) > 3 and words[3].islower():
            assert words[3].strip("…") in VERBS, command
        if words[:1] == ["coworking"] and len(words) > 1 and words[1].isalpha():
            assert words[1] in coworking.commands, command


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), target
        if anchor and path.suffix == ".md":
            headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {slug(heading) for heading in headings}, f"{target}#{anchor}"


def test_every_page_is_reached_from_the_readme() -> None:
    reached, queue = set(), [ROOT / "README.md"]
    while queue:
        page = queue.pop()
        if page in reached or page.suffix != ".md" or not page.exists():
            continue
        reached.add(page)
        for target, _ in LINK.findall(page.read_text(encoding="utf-8")):
            queue.append((page.parent / target).resolve())
    assert {name(page) for page in PAGES} <= {name(page) for page in reached}


def test_every_task_is_named_in_the_documentation() -> None:
    text = " ".join(command for page in PAGES for command in commands(page))
    assert {target for target in TARGETS if f"make {target}" not in text} == {"help"}  # make alone


def test_every_verb_is_named_in_the_documentation() -> None:
    text = " ".join(page.read_text(encoding="utf-8") for page in PAGES)
    missing = {verb for verb in VERBS if not re.search(rf"(-m ci|make|`) ?{verb}\b", text)}
    assert missing == set()


def test_shell_commands_of_the_readme_can_be_split() -> None:
    for command in commands(ROOT / "README.md"):
        shlex.split(command, comments=True)
