"""No false alarm: manifests that people really run, and this repository's own."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from ci.validate.engine import check
from ci.validate.facts import Facts, read_facts
from ci.validate.inputs import gather

ROOT = Path(__file__).parents[3]
SHAPES = ROOT / "tests" / "manifests" / "shapes"
TODAY = datetime.date(2026, 12, 1)


@pytest.mark.parametrize("shape", sorted(SHAPES.iterdir()), ids=lambda path: path.stem)
def test_it_finds_nothing_in_what_people_run(shape: Path) -> None:
    report = check(gather([str(shape)], Facts()), Facts(), (1, 32), today=TODAY)

    assert report.findings == []
    assert report.failures == []
    assert report.resources > 0


def test_it_finds_nothing_in_this_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    facts = read_facts(ROOT / "infra" / "facts.yaml")

    report = check(gather([], facts), facts, (1, 32), today=TODAY)

    assert report.findings == []
    assert report.failures == []
    assert report.resources > 20
