"""The geometry of the dashboard's charts, in percent of the plot, so that text keeps its size.

Nothing here knows HTML: the templates draw what these functions return.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple, TypedDict, get_args

from coworking.hours import HourOfWeek
from coworking.periods import Granularity
from coworking.web import words
from coworking.web.v1.answers import Weekday

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime
    from zoneinfo import ZoneInfo

    from coworking.periods import TimeBucket

MOST_LABELS = 12  # that fit under a plot without touching
FEWEST_LABELS = 3
MOST_GAPS = 120  # more bars than this touch each other
LEVELS = 8  # steps of the heat map's scale above "none"
WEEKDAYS: tuple[str, ...] = get_args(Weekday)


class Unit(IntEnum):
    """What a label under the plot stands for the beginning of."""

    BUCKET = 0
    DAY = 1
    WEEK = 2
    MONTH = 3
    YEAR = 4


class Tick(NamedTuple):
    """A mark on an axis; `minor` ones give way on a narrow screen."""

    at: float
    label: str
    minor: bool = False


class Bar(NamedTuple):
    """A bar that stands on the axis; `y` counts from the top; `partial` if it is not whole.

    `first` and `last` are its dates; `at` names the hour of the week, of a bar that is an hour.
    """

    x: float
    y: float
    width: float
    height: float
    title: str
    partial: bool
    first: date
    last: date
    at: str


@dataclass(frozen=True)
class BarChart:
    """Check-ins over time.

    Attributes:
        bars: one for each bucket, from the left.
        y_ticks: from 0 at the bottom.
        x_ticks: under the bars that begin a day, a week, a month or a year.
        peak: where the highest bar's label goes, or None if all are 0.
        touching: whether the bars are too many for gaps.
    """

    bars: list[Bar]
    y_ticks: list[Tick]
    x_ticks: list[Tick]
    peak: Tick | None
    touching: bool


class HeatCell(NamedTuple):
    """An hour of the week; `level` is 0 for none, else 1 to LEVELS."""

    x: float
    y: float
    level: int
    title: str
    at: str


@dataclass(frozen=True)
class HeatMap:
    """Average check-ins in each hour of the week.

    Attributes:
        weekdays: the rows: those that the range has, all seven if it has none.
        cells: 24 for each row.
        height: of a row, in percent.
        averages: 24 for each row; None where the range has no such weekday.
        highest: the largest of them.
        busiest: that hour in words, or None if there are no check-ins.
    """

    weekdays: list[str]
    cells: list[HeatCell]
    height: float
    averages: list[list[float | None]]
    highest: float
    busiest: str | None


def bar_chart(
    buckets: Sequence[TimeBucket],
    counts: Sequence[int],
    by: Granularity,
    zone: ZoneInfo,
    whole: Sequence[bool],
) -> BarChart:
    """Lay out one bar for each bucket; the sequences have the same length, at least 1."""
    top, step = scale(max(counts))
    slot = 100 / len(buckets)
    touching = len(buckets) > MOST_GAPS
    width = slot if touching else slot * 0.78
    bars = [
        Bar(
            x=round(number * slot + (slot - width) / 2, 3),
            y=round(100 - 100 * count / top, 3),
            width=round(width, 3),
            height=round(100 * count / top, 3),
            title=f"{words.bucket(bucket, by, zone)}: {words.number(count)}",
            partial=not complete,
            **_where(bucket, by, zone),
        )
        for number, (bucket, count, complete) in enumerate(zip(buckets, counts, whole, strict=True))
    ]
    y_ticks = [
        Tick(round(100 - 100 * y / top, 3), words.number(y)) for y in range(0, top + 1, step)
    ]
    return BarChart(bars, y_ticks, _x_ticks(buckets, by, zone), _peak(bars, counts), touching)


class _Where(TypedDict):
    first: date
    last: date
    at: str


def _where(bucket: TimeBucket, by: Granularity, zone: ZoneInfo) -> _Where:
    """The dates of a bucket, and which hour of the week it is."""
    start = bucket.start.astimezone(zone)
    last = (bucket.end - timedelta(microseconds=1)).astimezone(zone)
    at = str(HourOfWeek(start.weekday(), start.hour)) if by is Granularity.HOUR else ""
    return {"first": start.date(), "last": last.date(), "at": at}


def scale(highest: int) -> tuple[int, int]:
    """The end of an axis and the step between its marks, of which there are 2 to 5.

    Steps are 1, 2 or 5 times a power of ten, as people count.
    """
    power = 1
    while highest > 20 * power:
        power *= 10
    step = next(factor * power for factor in (1, 2, 5) if highest <= 4 * factor * power)
    return max(1, -(-highest // step)) * step, step


def _peak(bars: Sequence[Bar], counts: Sequence[int]) -> Tick | None:
    if not any(counts):
        return None
    highest = bars[counts.index(max(counts))]
    return Tick(round(highest.x + highest.width / 2, 3), words.number(max(counts)))


def _x_ticks(buckets: Sequence[TimeBucket], by: Granularity, zone: ZoneInfo) -> list[Tick]:
    """Label what begins a day, a week, a month or a year: the shortest of these that has room."""
    starts = [bucket.start.astimezone(zone) for bucket in buckets]
    unit, shown = Unit.BUCKET, list(range(len(starts)))
    own = list(Granularity).index(by)  # a bucket's own unit, and shorter ones, begin with each
    for longer in [each for each in Unit if each > own]:
        if len(shown) <= MOST_LABELS:
            break
        beginning = [n for n in shown if _begins(starts, n, longer)]
        if len(beginning) >= FEWEST_LABELS:
            unit, shown = longer, beginning
    shown = shown[:: -(-len(shown) // MOST_LABELS)]
    slot = 100 / len(buckets)
    return [
        Tick(round((n + 0.5) * slot, 3), _label(starts[n], by, unit), minor=number % 2 == 1)
        for number, n in enumerate(shown)
    ]


def _begins(starts: Sequence[datetime], n: int, unit: Unit) -> bool:
    """Whether a bucket is the first of its day, week, month or year (the range's edge is none)."""
    start = starts[n]
    before = starts[n - 1] if n else start - timedelta(days=1)
    return {
        Unit.BUCKET: True,
        Unit.DAY: start.date() != before.date(),
        Unit.WEEK: start.weekday() == 0 and start.date() != before.date(),
        Unit.MONTH: start.month != before.month,
        Unit.YEAR: start.year != before.year,
    }[unit]


def _label(start: datetime, by: Granularity, unit: Unit) -> str:
    if unit is Unit.YEAR:
        return str(start.year)
    if unit is Unit.MONTH or by is Granularity.MONTH:
        return f"{start:%b} {start.year}" if start.month == 1 else f"{start:%b}"
    if unit is Unit.BUCKET and by is Granularity.HOUR:
        return f"{start:%H:%M}"
    if unit is Unit.WEEK or by is Granularity.WEEK:
        return f"{start.day} {start:%b}"
    return f"{start:%a} {start.day}"


def heat_map(counts: Sequence[Sequence[int]], days: Sequence[Sequence[int]]) -> HeatMap:
    """Lay out the hours of the week by their averages.

    Args:
        counts: check-ins by weekday (from Monday) and hour.
        days: on how many days each of them was counted.
    """
    averages = [
        [count / n if n else None for count, n in zip(*rows, strict=True)]
        for rows in zip(counts, days, strict=True)
    ]
    highest, weekday, hour = max(
        (average or 0, -weekday, -hour)
        for weekday, row in enumerate(averages)
        for hour, average in enumerate(row)
    )
    rows = [n for n, numbers in enumerate(days) if any(numbers)] or list(range(7))
    cells = [
        HeatCell(
            x=round(hour * 100 / 24, 3),
            y=round(place * 100 / len(rows), 3),
            level=-int(-LEVELS * (average or 0) // highest) if highest else 0,
            title=hour_of_week(weekday, hour)
            + (": no such hour" if average is None else f": {words.average(average)}"),
            at=str(HourOfWeek(weekday, hour)),
        )
        for place, weekday in enumerate(rows)
        for hour, average in enumerate(averages[weekday])
    ]
    return HeatMap(
        weekdays=[WEEKDAYS[weekday] for weekday in rows],
        cells=cells,
        height=round(100 / len(rows), 3),
        averages=[averages[weekday] for weekday in rows],
        highest=highest,
        busiest=hour_of_week(-weekday, -hour) if highest else None,
    )


def hour_of_week(weekday: int, hour: int) -> str:
    """Friday 14:00 to 15:00, in signs."""
    return f"{WEEKDAYS[weekday]} {hour:02d}:00\N{EN DASH}{hour + 1:02d}:00"
