"""Which period another one is compared with: the one before, last year's, or the same weekdays.

period = compared(period, Compare.YEAR)
period.previous()      # the same dates of the year before
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from coworking.periods import ONE_DAY, Period, moved


class Compare(StrEnum):
    """What a period is compared with."""

    PREVIOUS = "previous"
    YEAR = "year"
    WEEKDAYS = "weekdays"


@dataclass(frozen=True)
class ComparedPeriod(Period):
    """A period that is compared with `before`, which ends where it begins or earlier."""

    before: Period

    def previous(self) -> Period:
        """The period that this one is compared with."""
        return self.before

    def same_moment_before(self, cut: datetime) -> datetime:
        """The moment of `before` that `cut` is of this one, by local time."""
        if cut == self.end_at:
            return self.before.end_at
        there = moved(cut, (self.before.first - self.first).days, self.zone)
        return max(self.before.start_at, min(self.before.end_at, there))


def compared(period: Period, how: Compare) -> Period:
    """Return the period with what it is compared with.

    Args:
        period: any.
        how: PREVIOUS is as many days, just before. YEAR is the same dates of the year before, where
            29 February becomes 1 March. WEEKDAYS is as many days, whole weeks earlier: of a month
            five weeks, so that a Friday is compared with a Friday.
    """
    if how is Compare.PREVIOUS:
        return period
    if how is Compare.YEAR:
        end = year_before(period.end)
        first = min(year_before(period.first), end - ONE_DAY)
        before = Period(first, end, period.zone)
    else:
        earlier = timedelta(days=-(-period.days // 7) * 7)
        before = Period(period.first - earlier, period.end - earlier, period.zone)
    return ComparedPeriod(period.first, period.end, period.zone, before)


def year_before(day: date) -> date:
    """The same date of the year before; of 29 February 1 March, which follows the same day."""
    if (day.month, day.day) == (2, 29):
        return date(day.year - 1, 3, 1)
    return day.replace(year=day.year - 1)
