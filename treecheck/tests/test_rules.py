"""Every rule against its cases: rules/<rule>.yaml, as README.md beside this file describes them."""

from __future__ import annotations

import datetime
from collections import defaultdict
from statistics import median
from typing import TYPE_CHECKING

import pytest
import yaml
from rule_cases import CASES, Case, all_cases

from treecheck.engine import CRASHED, Report, check
from treecheck.facts import Facts, read_facts
from treecheck.inputs import gather
from treecheck.registry import LAYERS, load_rules
from treecheck.schemas import version_of

if TYPE_CHECKING:
    from pathlib import Path

RULES = {key: rule for key, rule in load_rules().items() if rule.is_ours}
TODAY = datetime.date(2026, 12, 1)
ALL = all_cases()


def run(case: Case, folder: Path) -> Report:
    facts = Facts()
    if case.facts is not None:
        file = folder / "facts.yaml"
        file.write_text(yaml.safe_dump(case.facts), encoding="utf-8")
        facts = read_facts(file)
    inputs = gather([str(case.write(folder / "tree"))], facts)
    # What a caller of the package adds in the same process is not looked at here.
    return check(inputs, facts, version_of(facts.kubernetes or "1.32"), only=RULES, today=TODAY)


def name(case: Case) -> str:
    return f"{case.rule}/{case.name}"


@pytest.mark.parametrize("case", [each for each in ALL if each.broken], ids=name)
def test_it_finds_exactly_the_fault_of_a_broken_case(case: Case, tmp_path: Path) -> None:
    report = run(case, tmp_path)

    found = [(each.rule, each.line > 0) for each in report.findings]
    assert found == [(case.rule, True)], report.findings
    assert case.says in {"", report.findings[0].message}


@pytest.mark.parametrize("case", [each for each in ALL if not each.broken], ids=name)
def test_it_finds_nothing_in_a_good_case(case: Case, tmp_path: Path) -> None:
    report = run(case, tmp_path)

    assert report.findings == []
    assert report.failures == []


@pytest.mark.parametrize("rule_id", sorted(set(RULES) - {CRASHED}))
def test_every_rule_has_a_broken_and_a_good_case(rule_id: str) -> None:
    kinds = {each.broken for each in ALL if each.rule == rule_id}

    assert kinds == {True, False}, f"add {CASES / rule_id}.yaml"


def test_every_case_belongs_to_a_rule() -> None:
    assert {each.rule for each in ALL} <= set(RULES)


def test_no_two_cases_of_a_rule_have_one_name() -> None:
    names = [(name(each), each.broken) for each in ALL]

    assert sorted(set(names)) == sorted(names)


def test_a_case_is_short_and_repeats_no_other() -> None:
    lengths: list[int] = []
    blocks: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for file in CASES.glob("*.yaml"):
        lines = file.read_text(encoding="utf-8").splitlines()
        lengths.append(len(lines))
        for start in range(len(lines) - 9):
            blocks[tuple(lines[start : start + 10])].add(file.name)

    assert median(lengths) <= 25
    assert [sorted(files) for files in blocks.values() if len(files) > 2] == []


@pytest.mark.parametrize("rule_id", sorted(RULES))
def test_every_rule_says_what_it_is_about_and_where_it_comes_from(rule_id: str) -> None:
    rule = RULES[rule_id]

    assert rule.layer in LAYERS
    assert rule.title
    assert not rule.title.endswith(".")
    assert len(rule.explanation) > 20
    # What the checker says of itself has no page of others.
    assert rule.source.startswith("https://") or rule.layer in {"waivers", "checker"}
