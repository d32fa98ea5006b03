"""docs/first-deploy.md against the plan that it is about."""

from __future__ import annotations

import json
import re
from pathlib import Path

from ci.platform.plan.checks.outside import AWS_CALLS
from ci.platform.plan.plan import EXIT_STATUS
from ci.platform.plan.plan import command as plan
from ci.platform.plan.tools import TOOLS, shown

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/first-deploy.md").read_text(encoding="utf-8")


def test_every_tool_is_in_the_table_with_its_least_version() -> None:
    for tool in TOOLS:
        least = " or ".join(map(shown, tool.least))
        row = f"| {tool.program} | {least} | {tool.why} | {tool.source} |"
        assert re.sub(r" +", " ", row) in PAGE


def test_every_exit_status_is_in_the_table() -> None:
    for number, meaning in EXIT_STATUS.items():
        assert f"| {number} | {meaning} |" in PAGE


def test_every_mark_is_in_the_table() -> None:
    marks = set(re.findall(r"(?m)^\| (done|next|later|optional|unknown) \|", PAGE))
    assert marks == {"done", "next", "later", "optional", "unknown"}


def test_every_option_is_named() -> None:
    for parameter in plan.params:
        for option in parameter.opts:
            assert option in PAGE or option == "--root"


def test_the_policy_has_the_rights_of_the_checks_and_no_more() -> None:
    block = re.search(r"```json\n(.*?)```", PAGE, re.DOTALL)
    assert block is not None
    (statement,) = json.loads(block[1])["Statement"]
    assert statement["Effect"] == "Allow"
    assert statement["Action"] == sorted(set(AWS_CALLS.values()))
