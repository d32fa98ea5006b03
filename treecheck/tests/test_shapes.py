"""No false alarm: manifests that people really run."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from treecheck.engine import check
from treecheck.facts import Facts
from treecheck.inputs import gather
from treecheck.registry import load_rules

SHAPES = Path(__file__).parent / "shapes"
# Without what a caller of the package adds in the same process.
OURS = [rule.id for rule in load_rules().values() if rule.is_ours]
TODAY = datetime.date(2026, 12, 1)


@pytest.mark.parametrize("shape", sorted(SHAPES.iterdir()), ids=lambda path: path.stem)
def test_it_finds_nothing_in_what_people_run(shape: Path) -> None:
    report = check(gather([str(shape)], Facts()), Facts(), (1, 32), only=OURS, today=TODAY)

    assert report.findings == []
    assert report.failures == []
    assert report.resources > 0
