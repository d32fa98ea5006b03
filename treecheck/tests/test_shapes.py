"""No false alarm: manifests that people really run."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from treecheck.engine import check
from treecheck.facts import Facts
from treecheck.inputs import gather

SHAPES = Path(__file__).parent / "shapes"
TODAY = datetime.date(2026, 12, 1)


@pytest.mark.parametrize("shape", sorted(SHAPES.iterdir()), ids=lambda path: path.stem)
def test_it_finds_nothing_in_what_people_run(shape: Path) -> None:
    report = check(gather([str(shape)], Facts()), Facts(), (1, 32), today=TODAY)

    assert report.findings == []
    assert report.failures == []
    assert report.resources > 0
