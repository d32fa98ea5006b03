"""What `make bench` promises of the service is measured; the large database is made when asked."""

from __future__ import annotations

import sys
from subprocess import CompletedProcess
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

import bench.__main__
from bench import service
from bench.results import Results

if TYPE_CHECKING:
    from bench.service import Route


def figures(runs: list[tuple[dict[str, str], list[Route]]], p50: float) -> service.Figures:
    """As if every route had answered in the same time."""
    row = {"requests_per_second": 1000.0, "p50_ms": p50, "largest_process_mib": 90.0, "errors": 0}
    return {route.name: dict(row) for _, routes in runs for route in routes}


def test_every_promise_is_of_a_route_that_is_measured() -> None:
    results = Results("service")
    large = figures(service.RUNS, 1.0)
    large["overview, UTC"]["p50_ms"] = 13.0

    service._compare(results, figures(service.RUNS, 1.0), large)

    limits = {each["promise"]: each["limit"] for each in results.promises}
    assert limits["overview, UTC: p50 / SELECT 1 route's"] == 12
    assert limits["overview, Asia/Kolkata: p50 / SELECT 1 route's"] == 40
    assert limits["members not seen, first page: p50 / SELECT 1 route's"] == 50
    broken = [each["promise"] for each in results.promises if not each["holds"]]
    assert broken == [
        "exact daily_usage / the old query's",
        "overview, UTC: p50 / SELECT 1 route's",
    ]


def test_a_large_database_is_compared_by_multiples_of_select_1() -> None:
    results = Results("service-large")
    usual, large = (figures(service.RUNS_OF_LARGE, p50) for p50 in (1.0, 2.0))
    large["overview, Asia/Kolkata"]["p50_ms"] = 3.0  # one and a half times its share

    service._compare_large(results, usual, large)

    assert [each["value"] for each in results.promises] == [1.0, 1.5, 1.0, 1.0]
    assert [each["holds"] for each in results.promises] == [True, False, True, True]


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [(["--large"], [["bench.service", "--large"]]), (["writes"], [["bench.writes"]])],
)
def test_the_large_database_is_made_only_when_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], asked: list[list[str]]
) -> None:
    ran: list[list[str]] = []

    def run(command: list[str], **_: object) -> CompletedProcess[str]:
        assert command[:2] == [sys.executable, "-m"]
        ran.append(command[2:])
        return CompletedProcess(command, 0)

    monkeypatch.setattr(bench.__main__.subprocess, "run", run)

    done = CliRunner().invoke(bench.__main__.main, arguments)

    assert (done.exit_code, ran) == (0, asked)
