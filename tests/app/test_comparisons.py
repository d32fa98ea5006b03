"""What a period is compared with, and the ranges that have names."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from coworking.comparisons import Compare, compared
from coworking.periods import Period, find_zone
from coworking.presets import Preset, named

BERLIN = find_zone("Europe/Berlin")


def period(first: str, end: str) -> Period:
    return Period(date.fromisoformat(first), date.fromisoformat(end), BERLIN)


@pytest.mark.parametrize(
    ("dates", "how", "before"),
    [
        (("2024-05-01", "2024-05-31"), Compare.PREVIOUS, ("2024-04-01", "2024-05-01")),
        (("2024-05-01", "2024-06-01"), Compare.YEAR, ("2023-05-01", "2023-06-01")),
        (("2024-02-01", "2024-03-01"), Compare.YEAR, ("2023-02-01", "2023-03-01")),
        (("2024-02-29", "2024-03-01"), Compare.YEAR, ("2023-02-28", "2023-03-01")),
        (("2024-02-20", "2024-02-29"), Compare.YEAR, ("2023-02-20", "2023-03-01")),
        (("2024-05-01", "2024-06-01"), Compare.WEEKDAYS, ("2024-03-27", "2024-04-27")),
        (("2024-05-06", "2024-05-13"), Compare.WEEKDAYS, ("2024-04-29", "2024-05-06")),
        (("2024-05-03", "2024-05-04"), Compare.WEEKDAYS, ("2024-04-26", "2024-04-27")),
    ],
)
def test_a_period_is_compared_with_the_dates_that_were_picked(
    dates: tuple[str, str], how: Compare, before: tuple[str, str]
) -> None:
    found = compared(period(*dates), how).previous()

    assert (str(found.first), str(found.end)) == before


@pytest.mark.parametrize("how", Compare)
@pytest.mark.parametrize("days", [1, 6, 7, 8, 30, 365, 366, 800])
def test_nothing_is_compared_with_itself_and_weekdays_stay_the_same(
    how: Compare, days: int
) -> None:
    for start in range(0, 800, 13):
        first = date.fromordinal(date(2023, 1, 1).toordinal() + start)
        this = compared(Period(first, date.fromordinal(first.toordinal() + days), BERLIN), how)
        before = this.previous()
        assert before.first < before.end
        if how is not Compare.YEAR or days <= 365:
            assert before.end <= this.first
        if how is Compare.WEEKDAYS:
            assert (before.days, before.weekdays()) == (this.days, this.weekdays())


@pytest.mark.parametrize(
    ("how", "moment"),
    [
        (Compare.PREVIOUS, datetime(2024, 4, 29, 22, 30, tzinfo=UTC)),
        (Compare.YEAR, datetime(2023, 5, 30, 22, 30, tzinfo=UTC)),
        (Compare.WEEKDAYS, datetime(2024, 4, 25, 22, 30, tzinfo=UTC)),
    ],
)
def test_what_runs_is_compared_up_to_the_same_moment(how: Compare, moment: datetime) -> None:
    running = compared(period("2024-05-01", "2024-06-01"), how)
    cut = datetime(2024, 5, 30, 22, 30, tzinfo=UTC)  # half past midnight in Berlin

    assert running.same_moment_before(cut) == moment
    assert running.same_moment_before(running.end_at) == running.previous().end_at


TODAY = date(2026, 11, 29)  # a Sunday


@pytest.mark.parametrize(
    ("preset", "today", "dates"),
    [
        (Preset.THIS_WEEK, TODAY, ("2026-11-23", "2026-11-30")),
        (Preset.THIS_WEEK, date(2026, 11, 30), ("2026-11-30", "2026-12-07")),
        (Preset.THIS_MONTH, TODAY, ("2026-11-01", "2026-12-01")),
        (Preset.THIS_MONTH, date(2026, 1, 31), ("2026-01-01", "2026-02-01")),
        (Preset.LAST_MONTH, TODAY, ("2026-10-01", "2026-11-01")),
        (Preset.LAST_MONTH, date(2026, 1, 1), ("2025-12-01", "2026-01-01")),
        (Preset.YEAR_TO_DATE, TODAY, ("2026-01-01", "2026-11-30")),
        (Preset.LAST_12_MONTHS, TODAY, ("2025-11-29", "2026-11-29")),
        (Preset.LAST_12_MONTHS, date(2024, 2, 29), ("2023-03-01", "2024-02-29")),
    ],
)
def test_a_named_range_has_the_dates_of_the_calendar(
    preset: Preset, today: date, dates: tuple[str, str]
) -> None:
    newest_end = today

    first, end = named(preset, today, newest_end)

    assert (str(first), str(end)) == dates
