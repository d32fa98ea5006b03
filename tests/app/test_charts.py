"""The charts' geometry and the sentences beside them."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest

from coworking.periods import Granularity, Period, find_zone
from coworking.web import charts, words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coworking.periods import TimeBucket

UTC = find_zone("UTC")


def bars(buckets: Sequence[TimeBucket], counts: Sequence[int], by: Granularity) -> charts.BarChart:
    return charts.bar_chart(buckets, counts, by, UTC, [True] * len(buckets))


def labels(first: str, end: str, by: Granularity) -> list[str]:
    period = Period(date.fromisoformat(first), date.fromisoformat(end), UTC)
    buckets = period.buckets(by)
    return [tick.label for tick in bars(buckets, [1] * len(buckets), by).x_ticks]


@pytest.mark.parametrize(
    ("first", "end", "by", "expected"),
    [
        ("2024-05-01", "2024-05-31", "day", ["6 May", "13 May", "20 May", "27 May"]),
        ("2024-05-01", "2024-05-08", "day",
         ["Wed 1", "Thu 2", "Fri 3", "Sat 4", "Sun 5", "Mon 6", "Tue 7"]),
        ("2024-05-01", "2024-05-02", "hour",
         ["00:00", "02:00", "04:00", "06:00", "08:00", "10:00",
          "12:00", "14:00", "16:00", "18:00", "20:00", "22:00"]),
        ("2024-05-01", "2024-05-06", "hour", ["Wed 1", "Thu 2", "Fri 3", "Sat 4", "Sun 5"]),
        ("2023-11-15", "2024-03-01", "week", ["Dec", "Jan 2024", "Feb"]),
        ("2019-01-01", "2024-01-01", "month", ["2019", "2020", "2021", "2022", "2023"]),
        ("2024-05-01", "2024-05-02", "day", ["Wed 1"]),
    ],
)  # fmt: skip
def test_labels_stand_where_a_unit_begins_and_do_not_crowd(
    first: str, end: str, by: str, expected: list[str]
) -> None:
    assert labels(first, end, Granularity(by)) == expected


@pytest.mark.parametrize(
    ("by", "days"),
    [
        *((Granularity.HOUR, days) for days in (1, 2, 3, 7, 30, 41)),
        *((Granularity.DAY, days) for days in (1, 2, 7, 30, 100, 400, 1000)),
        *((Granularity.WEEK, days) for days in (1, 30, 400, 1000, 6_994)),
        *((Granularity.MONTH, days) for days in (1, 100, 1000, 36_525)),
    ],
)
def test_there_are_never_more_labels_than_fit(by: Granularity, days: int) -> None:
    first = date(2000, 1, 15)
    period = Period(first, first + timedelta(days=days), UTC)
    buckets = period.buckets(by)

    ticks = bars(buckets, [0] * len(buckets), by).x_ticks

    assert 1 <= len(ticks) <= charts.MOST_LABELS
    assert all(0 < tick.at < 100 for tick in ticks)


@pytest.mark.parametrize(
    ("highest", "top", "step"),
    [(0, 1, 1), (1, 1, 1), (4, 4, 1), (5, 6, 2), (9, 10, 5), (177, 200, 50), (1031, 1500, 500),
     (2_000_000, 2_000_000, 500_000)],
)  # fmt: skip
def test_an_axis_ends_on_a_round_number(highest: int, top: int, step: int) -> None:
    assert charts.scale(highest) == (top, step)


def test_a_bar_is_as_high_as_its_share_of_the_axis() -> None:
    buckets = Period(date(2024, 5, 1), date(2024, 5, 3), UTC).buckets(Granularity.DAY)

    chart = bars(buckets, [0, 45], Granularity.DAY)

    assert [(bar.x, bar.y, bar.width, bar.height) for bar in chart.bars] == [
        (5.5, 100.0, 39.0, 0.0),
        (55.5, 25.0, 39.0, 75.0),
    ]
    assert chart.bars[1].title == "Thu 2 May 2024: 45"
    assert chart.peak == charts.Tick(75.0, "45")


def test_the_heat_map_shows_averages_and_not_sums() -> None:
    counts = [[0] * 24 for _ in range(7)]
    counts[0][9], counts[1][9] = 10, 10  # on two Mondays, on one Tuesday

    heat = charts.heat_map(counts, [[days] * 24 for days in (2, 1, 1, 1, 1, 1, 0)])

    assert heat.busiest == "Tuesday 09:00–10:00"
    assert (heat.highest, heat.averages[0][9], heat.weekdays[-1]) == (10, 5, "Saturday")
    assert [cell.level for cell in heat.cells if cell.level] == [4, 8]
    assert heat.cells[-1].title == "Saturday 23:00–24:00: 0.0"


@pytest.mark.parametrize(
    ("value", "previous", "expected"),
    [(112, 100, "12\xa0% more"), (97, 100, "3\xa0% fewer"), (5, 0, "5 more"), (7, 7, "no change"),
     (10_001, 10_000, "about the same"), (0, 3, "100\xa0% fewer"),
     (1, 999, "99\xa0% fewer"), (5000, 2, "249,900\xa0% more")],
)  # fmt: skip
def test_a_change_is_said_in_words(value: int, previous: int, expected: str) -> None:
    assert words.relative(value, previous).words == expected


@pytest.mark.parametrize(
    ("first", "end", "expected"),
    [
        ("2024-05-01", "2024-05-02", "Wed 1 May 2024"),
        ("2024-05-01", "2024-05-31", "1 – 30 May 2024"),
        ("2024-04-20", "2024-05-31", "20 Apr – 30 May 2024"),
        ("2023-12-20", "2024-01-19", "20 Dec 2023 – 18 Jan 2024"),
    ],
)
def test_a_period_is_named_by_its_first_and_last_day(first: str, end: str, expected: str) -> None:
    assert words.span(Period(date.fromisoformat(first), date.fromisoformat(end), UTC)) == expected


def test_hours_that_come_twice_are_told_apart() -> None:
    berlin = find_zone("Europe/Berlin")
    hours = Period(date(2024, 10, 27), date(2024, 10, 28), berlin).buckets(Granularity.HOUR)

    assert [words.bucket(hour, Granularity.HOUR, berlin) for hour in hours[1:5]] == [
        "Sun 27 Oct 2024, 01:00",
        "Sun 27 Oct 2024, 02:00 CEST",
        "Sun 27 Oct 2024, 02:00 CET",
        "Sun 27 Oct 2024, 03:00",
    ]
