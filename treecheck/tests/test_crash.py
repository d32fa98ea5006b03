"""A rule that crashes: a finding of its own, and the others go on."""

from __future__ import annotations

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
# A rule on files, one on resources, and one on everything that shares a cluster.
CRASHING = ("credential-in-file", "bare-pod", "duplicate-resource")


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


def test_a_rule_that_is_not_selected_is_not_called(crashing: str) -> None:
    for choice in (("--ignore", crashing), ("--only", "number-out-of-range")):
        assert "crashed" not in run(*choice).stdout
