"""Every rule against its examples: rules/<rule>/broken… and mended…"""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from treecheck.engine import CRASHED, Report, check
from treecheck.facts import Facts, read_facts
from treecheck.inputs import gather
from treecheck.registry import LAYERS, load_rules

EXAMPLES = Path(__file__).parent / "rules"
RULES = {key: rule for key, rule in load_rules().items() if rule.is_ours}
TODAY = datetime.date(2026, 12, 1)


def examples(kind: str) -> list[Path]:
    """The files and folders called `<kind>…` of every rule."""
    return sorted(
        path
        for path in EXAMPLES.glob(f"*/{kind}*")
        if path.is_dir() or path.suffix in {".yaml", ".yml"}
    )


def run(example: Path) -> Report:
    facts_file = example.parent / "facts.yaml"
    facts = read_facts(facts_file) if facts_file.is_file() else Facts()
    return check(gather([str(example)], facts), facts, (1, 32), today=TODAY)


def name(example: Path) -> str:
    return f"{example.parent.name}/{example.stem}"


@pytest.mark.parametrize("example", examples("broken"), ids=name)
def test_it_finds_exactly_the_fault_of_a_broken_example(example: Path) -> None:
    report = run(example)

    found = [(each.rule, each.resource, each.line > 0) for each in report.findings]
    assert [rule for rule, _, _ in found] == [example.parent.name], report.findings
    assert all(has_line for _, _, has_line in found), report.findings


@pytest.mark.parametrize("example", examples("mended"), ids=name)
def test_it_finds_nothing_in_a_mended_example(example: Path) -> None:
    report = run(example)

    assert report.findings == []
    assert report.failures == []


@pytest.mark.parametrize("rule_id", sorted(set(RULES) - {CRASHED}))
def test_every_rule_has_a_broken_and_a_mended_example(rule_id: str) -> None:
    folder = EXAMPLES / rule_id

    assert list(folder.glob("broken*")), f"add {folder}/broken.yaml"
    assert list(folder.glob("mended*")), f"add {folder}/mended.yaml"


def test_every_example_belongs_to_a_rule() -> None:
    folders = {path.name for path in EXAMPLES.iterdir() if path.is_dir()}

    assert folders <= set(RULES)


@pytest.mark.parametrize("rule_id", sorted(RULES))
def test_every_rule_says_what_it_is_about_and_where_it_comes_from(rule_id: str) -> None:
    rule = RULES[rule_id]

    assert rule.layer in LAYERS
    assert rule.title
    assert not rule.title.endswith(".")
    assert len(rule.explanation) > 20
    assert rule.source
