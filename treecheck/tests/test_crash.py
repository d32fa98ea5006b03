"""A rule that crashes: a finding of its own, and the others go on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from click.testing import CliRunner, Result

from treecheck.cli import command
from treecheck.registry import RULES, load_rules

if TYPE_CHECKING:
    from collections.abc import Iterator

BROKEN = Path(__file__).parent / "deployment" / "broken.yaml"
# A rule on files, one on resources, and one on everything that shares a cluster; and where each
# crashes: file and line.
CRASHING = {
    "credential-in-file": ("broken.yaml", 1),
    "bare-pod": ("broken.yaml", 1),
    "duplicate-resource": ("", 0),
}


def crash(*_arguments: Any) -> NoReturn:
    raise ZeroDivisionError("by design")


@pytest.fixture(params=CRASHING)
def crashing(request: pytest.FixtureRequest) -> Iterator[str]:
    load_rules()
    rule = RULES[request.param]
    RULES[rule.id] = replace(rule, check=crash, kinds=frozenset())
    yield rule.id
    RULES[rule.id] = rule


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command, [str(BROKEN), *arguments])


def test_the_other_rules_go_on(crashing: str) -> None:
    result = run()

    assert result.exit_code == 1
    assert "number-out-of-range" in result.stdout
    assert f"rule {crashing} crashed" in result.stdout
    assert "ZeroDivisionError: by design" in result.stdout
    assert f"--ignore {crashing}" in result.stdout


def test_it_is_said_where_it_crashed(crashing: str) -> None:
    found = json.loads(run("--format", "json").stdout)["findings"]
    (crash,) = [each for each in found if each["rule"] == "rule-crashed"]

    assert (Path(crash["file"]).name, crash["line"]) == CRASHING[crashing]


def test_a_rule_that_is_not_selected_is_not_called(crashing: str) -> None:
    for choice in (("--ignore", crashing), ("--only", "number-out-of-range")):
        assert "crashed" not in run(*choice).stdout
