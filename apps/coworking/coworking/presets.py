"""The ranges that a manager picks by name, as dates of today's calendar.

named(Preset.LAST_MONTH, date(2026, 11, 29), date(2026, 11, 29))   # 1 October to 1 November
"""

from __future__ import annotations

from datetime import date, timedelta
from enum import StrEnum

from coworking.comparisons import year_before
from coworking.periods import EARLIEST, ONE_DAY


class Preset(StrEnum):
    """A range of the calendar; the URL's `range`."""

    THIS_WEEK = "this-week"
    THIS_MONTH = "this-month"
    LAST_MONTH = "last-month"
    YEAR_TO_DATE = "year-to-date"
    LAST_12_MONTHS = "last-12-months"


def named(preset: Preset, today: date, newest_end: date) -> tuple[date, date]:
    """Return the first date of a preset and the first date after it.

    Weeks begin on Monday. This week and this month are whole ones, which run; the year to date
    ends with today.

    Args:
        preset: which one.
        today: the local date.
        newest_end: the first date after the newest whole day, with which the 12 months end.
    """
    month = today.replace(day=1)
    if preset is Preset.THIS_WEEK:
        monday = today - timedelta(days=today.weekday())
        return monday, monday + timedelta(days=7)
    if preset is Preset.THIS_MONTH:
        return month, (month + timedelta(days=31)).replace(day=1)
    if preset is Preset.LAST_MONTH:
        return (month - ONE_DAY).replace(day=1), month
    if preset is Preset.YEAR_TO_DATE:
        return today.replace(month=1, day=1), today + ONE_DAY
    return max(EARLIEST, year_before(newest_end)), newest_end
