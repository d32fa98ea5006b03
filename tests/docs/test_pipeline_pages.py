"""The pages on the pipeline against the registries that they show."""

import re
from pathlib import Path

from ci.ship.build import VARIABLES
from ci.ship.build_steps import STEPS
from ci.ship.gates import GATES
from ci.ship.set_image import EXIT_STATUS
from ci.version.order import REASONS

ROOT = Path(__file__).parents[2]


def table(page: str, first_column: str) -> dict[str, list[str]]:
    """The rows of the table whose first column has that title, by their first cell."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    title = re.escape(first_column)
    body = re.search(rf"(?m)^\| {title} \|.*\n\|[ |-]+\|\n((?:\|.*\n)+)", text)
    assert body, f"{page} has no table with the column {first_column!r}"
    rows = (line.strip("|").split(" | ") for line in body[1].splitlines())
    return {row[0].strip(" `"): [cell.strip() for cell in row[1:]] for row in rows}


def test_every_exit_status_is_documented() -> None:
    assert table("pipeline.md", "exit status") == {str(k): [v] for k, v in EXIT_STATUS.items()}


def test_every_reason_to_leave_a_build_out_is_documented() -> None:
    assert table("pipeline.md", "reason") == {name: [text] for name, text in REASONS.items()}


def test_every_variable_of_a_build_is_documented() -> None:
    shown = {name: [variable.help] for name, variable in VARIABLES.items()}
    assert table("pipeline.md", "variable") == shown


def test_every_gate_is_documented() -> None:
    shown = {name: [gate.asks, gate.fix] for name, gate in GATES.items()}
    assert table("promote.md", "gate") == shown


def test_every_step_is_used_by_a_buildspec() -> None:
    text = "".join(file.read_text() for file in (ROOT / "ci").glob("buildspec*.yaml"))
    assert {step for step in STEPS if f"pipeline {step}" in text} == set(STEPS)
