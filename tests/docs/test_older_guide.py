"""Every command of the older guide has a successor, and the successor exists."""

import re
from pathlib import Path

import pytest

from ci.cli import VERBS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/older-guide.md"
# What the guide told people to type, each once, in its order.
COMMANDS = (Path(__file__).parent / "older_commands.txt").read_text("utf-8").splitlines()


def rows(heading: str) -> list[list[str]]:
    """The cells of the table below a heading."""
    section = PAGE.read_text(encoding="utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    # An escaped bar is part of a cell.
    return [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines]


TABLE = {
    cells[0].strip().strip("`").replace("\\|", "|"): " ".join(cells[1:])
    for cells in rows("Commands")
}


def anchor(heading: str) -> str:
    """GitHub's anchor of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


def missing_from_tree(text: str) -> list[str]:
    """What a cell names and this repository doesn't have: targets, verbs, paths, pages."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z0-9-]+):.*## ", makefile, re.MULTILINE))
    missing = [f"make {one}" for one in re.findall(r"`make ([a-z-]+)", text) if one not in targets]
    missing += [f"ci {one}" for one in re.findall(r"`ci ([a-z-]+)", text) if one not in VERBS]
    for path in re.findall(r"(?:base|overlays|infra|argocd|apps|ci|docs)/[\w./-]+", text):
        if not (ROOT / path).exists():
            missing.append(path)
    for page, _, section in re.findall(r"\]\(([\w.-]+)(#([\w-]+))?\)", text):
        file = ROOT / "docs" / page
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        anchors = {anchor(line.lstrip("# ")) for line in lines if line.startswith("#")}
        if not lines or (section and section not in anchors):
            missing.append(f"{page}#{section}")
    return missing


def test_every_command_of_the_guide_is_in_the_table_in_its_order() -> None:
    assert list(TABLE) == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_the_successor_of_a_command_exists(command: str) -> None:
    successor = TABLE[command]
    assert missing_from_tree(successor) == []
    named = r"`(make|ci) [a-z]|`(cd )?(base|overlays|infra|apps)/|the same|kubectl apply -k"
    assert re.search(named, successor), "it names a target, a verb, a file or the same command"


def test_what_stands_for_the_rest_of_the_guide_exists() -> None:
    for cells in rows("The rest of what it said"):
        assert missing_from_tree(" ".join(cells)) == []


def test_the_check_sees_a_successor_that_is_gone() -> None:
    gone = "`make nothing`, `ci nothing`, `infra/nothing.yaml`, [x](nodes.md#nothing), [y](no.md)"
    assert missing_from_tree(gone) == [
        "make nothing",
        "ci nothing",
        "infra/nothing.yaml",
        "nodes.md#nothing",
        "no.md#",
    ]
