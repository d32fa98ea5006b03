"""One hour of the week in a period: when it was, for the count of each time.

friday_at_two = HourOfWeek.read("fri-14")
friday_at_two.buckets(period, most=60)
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from coworking.periods import ONE_DAY, ParameterError, TimeBucket

if TYPE_CHECKING:
    from datetime import date
    from zoneinfo import ZoneInfo

    from coworking.periods import Period

NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WRITTEN = re.compile(rf"({'|'.join(NAMES)})-([01][0-9]|2[0-3])")


class HourOfWeek(NamedTuple):
    """An hour of the week; `weekday` counts from Monday, 0."""

    weekday: int
    hour: int

    def __str__(self) -> str:
        return f"{NAMES[self.weekday]}-{self.hour:02d}"

    @classmethod
    def read(cls, text: str) -> HourOfWeek:
        """Read `fri-14`, the only form accepted.

        Raises:
            ParameterError: the form is another.
        """
        found = _WRITTEN.fullmatch(text)
        if not found:
            raise ParameterError("at", text, "is not an hour of the week", "fri-14")
        return cls(NAMES.index(found[1]), int(found[2]))

    def buckets(self, period: Period, most: int) -> list[TimeBucket]:
        """The newest `most` times of it in a period, oldest first, and the time between them.

        Every other bucket, from the first, is the hour itself. When clocks go back it may last two
        hours; one that they skip is left out.
        """
        last = period.end - ONE_DAY
        last -= timedelta(days=(last.weekday() - self.weekday) % 7)
        found: list[TimeBucket] = []
        while last >= period.first and len(found) < most:
            start, end = self._on(last, period.zone)
            if start < end:
                found.append(TimeBucket(start, end))
            last -= timedelta(days=7)
        found.reverse()
        between = [TimeBucket(this.end, following.start) for this, following in pairwise(found)]
        if not found:
            return []
        after = TimeBucket(found[-1].end, max(found[-1].end, period.end_at))
        return [each for pair in zip(found, [*between, after], strict=True) for each in pair]

    def _on(self, day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
        start = datetime.combine(day, time(self.hour), zone)
        next_day, next_hour = (day, self.hour + 1) if self.hour < 23 else (day + ONE_DAY, 0)
        end = datetime.combine(next_day, time(next_hour), zone)
        return start.astimezone(UTC), end.astimezone(UTC)
