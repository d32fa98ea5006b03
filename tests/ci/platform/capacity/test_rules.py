"""The rules on nodes against their examples: rules/<rule>/broken… and fixed…"""

from __future__ import annotations

from pathlib import Path

import pytest

import ci.platform.capacity.rules  # noqa: F401  # its rules are registered by importing them
from treecheck.engine import Report, check
from treecheck.facts import read_facts
from treecheck.inputs import gather

EXAMPLES = sorted((Path(__file__).parent / "rules").glob("*/*.yaml"))


def examples(kind: str) -> list[Path]:
    return [path for path in EXAMPLES if path.stem.startswith(kind)]


def run(example: Path) -> Report:
    facts = read_facts(example.parent / "facts.yaml")
    return check(gather([str(example)], facts), facts, (1, 32))


def name(example: Path) -> str:
    return f"{example.parent.name}/{example.stem}"


@pytest.mark.parametrize("example", examples("broken"), ids=name)
def test_it_finds_exactly_the_fault_of_a_broken_example(example: Path) -> None:
    found = run(example).findings

    assert [each.rule for each in found] == [example.parent.name]
    assert all(each.line > 0 for each in found)


@pytest.mark.parametrize("example", examples("fixed"), ids=name)
def test_it_finds_nothing_in_a_fixed_example(example: Path) -> None:
    report = run(example)

    assert report.findings == []
    assert report.failures == []
