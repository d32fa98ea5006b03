"""Figures, dates and changes as the dashboard says them; no HTTP, no SQL, no HTML."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from coworking.periods import Granularity

if TYPE_CHECKING:
    from collections.abc import Callable
    from zoneinfo import ZoneInfo

    from coworking.periods import Period, TimeBucket

_PERCENT = "\N{NO-BREAK SPACE}%"
_DASH = "\N{EN DASH}"


class Trend(NamedTuple):
    """How a figure moved: -1, 0 or 1, or None if there is nothing to compare; and in words."""

    direction: int | None
    words: str


def number(value: float) -> str:
    """1234 as 1,234."""
    return f"{value:,}"


def average(value: float) -> str:
    """One decimal below 100, none above."""
    return f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def share(value: float) -> str:
    """0.1449 as 14.5 %."""
    return f"{100 * value:.1f}{_PERCENT}"


def percent(change: float) -> str:
    """A relative change without its sign, 0.12 as 12 %; 100 % are gone only if nothing is left."""
    whole = round(100 * abs(change))
    return f"{number(99 if -1 < change < 0 and whole == 100 else whole)}{_PERCENT}"


def relative(value: float, previous: float) -> Trend:
    """The change of a count in percent: 12 % more, 3 % fewer, about the same."""
    change = value - previous
    if change == 0:
        return Trend(0, "no change")
    if previous == 0:
        return Trend(1, f"{number(value)} more")
    if round(100 * abs(change) / previous) == 0:
        return Trend(0, "about the same")
    more = "more" if change > 0 else "fewer"
    return Trend(1 if change > 0 else -1, f"{percent(change / previous)} {more}")


def absolute(value: float, previous: float) -> Trend:
    """The change of a count by itself: 5 more, 3 fewer."""
    change = value - previous
    if change == 0:
        return Trend(0, "no change")
    more = "more" if change > 0 else "fewer"
    return Trend((change > 0) - (change < 0), f"{number(abs(change))} {more}")


def points(value: float, previous: float) -> Trend:
    """The change of a share in percentage points."""
    change = round(100 * (value - previous), 1)
    if change == 0:
        return Trend(0, "no change")
    more = "more" if change > 0 else "less"
    return Trend((change > 0) - (change < 0), f"{abs(change):.1f} points {more}")


class Manner(NamedTuple):
    """How a kind of figure is said and compared."""

    say: Callable[[float], str]
    compare: Callable[[float, float], Trend]


COUNTED = Manner(number, relative)
AT_A_DATE = Manner(number, absolute)
SHARED = Manner(share, points)


def figure(
    value: float | None, previous: float | None, manner: Manner, when: str, no_past: str | None
) -> tuple[str, Trend, str]:
    """A figure in words: its value, its change, and what that is measured against.

    Args:
        value: the figure; None if no tokens were issued, of which it would be a share.
        previous: the one to compare with, None for the same reason.
        manner: how to say it.
        when: the time that `previous` is of.
        no_past: why there is nothing to compare, if that is so for every figure.
    """
    if value is None:
        return _DASH, Trend(None, "No tokens were issued"), "in this period"
    if no_past is not None or previous is None:
        reason = no_past or f"no tokens were issued {when}"
        return manner.say(value), Trend(None, "Nothing to compare"), reason
    return manner.say(value), manner.compare(value, previous), f"{manner.say(previous)} {when}"


def days(count: int) -> str:
    """1 day, 30 days."""
    return "1 day" if count == 1 else f"{number(count)} days"


def day(when: date) -> str:
    """9 May 2024."""
    return f"{when.day} {when:%b} {when.year}"


def span_day(day_: date) -> str:
    """Thu 9 May 2024."""
    return f"{day_:%a} {day(day_)}"


def span(period: Period) -> str:
    """A period by its first and its last day, without saying twice what both share."""
    first, last = period.first, period.end - timedelta(days=1)
    if first == last:
        return span_day(first)
    if first.year != last.year:
        return f"{day(first)} {_DASH} {day(last)}"
    if first.month != last.month:
        return f"{first.day} {first:%b} {_DASH} {day(last)}"
    return f"{first.day} {_DASH} {day(last)}"


def moment(instant: datetime, zone: ZoneInfo) -> str:
    """Thu 9 May 2024, 14:05, by that zone's clocks."""
    there = instant.astimezone(zone)
    return f"{there:%a} {day(there)}, {there:%H:%M}"


def bucket(which: TimeBucket, by: Granularity, zone: ZoneInfo) -> str:
    """The name of a bucket; an hour that comes twice that day has its offset's name with it."""
    start = which.start.astimezone(zone)
    if by is Granularity.HOUR:
        twice = start.replace(fold=0).utcoffset() != start.replace(fold=1).utcoffset()
        return f"{start:%a} {day(start)}, {start:%H:%M}" + (f" {start:%Z}" if twice else "")
    if by is Granularity.DAY:
        return f"{start:%a} {day(start)}"
    last = (which.end - timedelta(microseconds=1)).astimezone(zone)
    if by is Granularity.MONTH and not which.partial:
        return f"{start:%B} {start.year}"
    if start.month == last.month:
        return f"{start.day} {_DASH} {day(last)}"
    return f"{start.day} {start:%b} {_DASH} {day(last)}"
