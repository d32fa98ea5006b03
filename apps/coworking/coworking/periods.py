"""Calendars: which instants a range of local dates covers, and where its buckets begin and end.

Dates are local to an IANA time zone, ranges are half-open (`to` is the first date left out), and
every instant is an aware datetime in UTC: two datetimes of one `ZoneInfo` subtract by
local time, which is wrong twice a year.

    >>> period = Period(date(2024, 3, 31), date(2024, 4, 1), find_zone("Europe/Berlin"))
    >>> len(period.buckets(Granularity.HOUR))
    23
"""

from __future__ import annotations

import difflib
import functools
import importlib.resources
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

EARLIEST = date(1900, 1, 1)
LATEST = date(2200, 1, 1)
MAX_DAYS = 36_525  # a century
MAX_BUCKETS = 1000
DEFAULT_DAYS = 30

ONE_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)
_SECOND = timedelta(seconds=1)
QUARTER_HOUR = timedelta(minutes=15)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_LONGEST_ECHO = 60


class ParameterError(ValueError):
    """A request's parameter can't be used; the text says which, its value and a valid one.

    Attributes:
        parameter: its name.
        value: what was given, shortened when it is long.
        valid: what would be accepted in its place.
    """

    def __init__(
        self, parameter: str, value: str, reason: str, valid: str, *, hint: str = ""
    ) -> None:
        self.parameter = _shortened(parameter)
        self.value = _shortened(value)
        self.valid = valid
        hint = hint or f"Valid, for example: {parameter}={valid}"
        super().__init__(f"{self.parameter}={self.value!r} {reason}. {hint}")


class Granularity(StrEnum):
    """How long a bucket is."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


# Days that are never cut into more than MAX_BUCKETS, wherever they begin and whatever the clocks
# do. Months are not counted: a century has 1,201 at most, and they are the longest there are.
MOST_DAYS = {Granularity.HOUR: 41, Granularity.DAY: MAX_BUCKETS, Granularity.WEEK: 6_994}


class TimeBucket(NamedTuple):
    """A half-open stretch of time; `partial` if the range's edge cut it (weeks and months)."""

    start: datetime
    end: datetime
    partial: bool = False


class Stretch(NamedTuple):
    """A half-open stretch of time during which the zone's offset from UTC stays the same."""

    start: datetime
    end: datetime
    offset: timedelta


@dataclass(frozen=True)
class Period:
    """The local dates `first` ≤ day < `end` of a zone."""

    first: date
    end: date
    zone: ZoneInfo

    @property
    def days(self) -> int:
        """How many dates it has."""
        return (self.end - self.first).days

    @property
    def start_at(self) -> datetime:
        """The instant at which it begins."""
        return _midnight(self.first, self.zone)

    @property
    def end_at(self) -> datetime:
        """The first instant after it."""
        return _midnight(self.end, self.zone)

    def previous(self) -> Period:
        """The period of the same number of days that ends where this one begins."""
        return Period(self.first - timedelta(days=self.days), self.first, self.zone)

    def days_before(self, days: int) -> Period:
        """The `days` days that end where this one ends."""
        return Period(self.end - timedelta(days=days), self.end, self.zone)

    def days_until(self, instant: datetime) -> Period:
        """Its days before the one that `instant`, which is within it, lies in."""
        return Period(self.first, local_date(instant, self.zone), self.zone)

    def cut(self, horizon: datetime) -> datetime:
        """The instant up to which it can be counted: its end, or `horizon` if that comes first."""
        return max(self.start_at, min(self.end_at, horizon))

    def same_moment_before(self, cut: datetime) -> datetime:
        """The moment of the previous period that `cut` is of this one, by local time."""
        if cut == self.end_at:
            return self.start_at
        return max(self.previous().start_at, moved(cut, -self.days, self.zone))

    def stretches(self) -> list[Stretch]:
        """Cut it where the zone's offset changes; in most months that is one stretch."""
        start, end = self.start_at, self.end_at
        years = range(start.year, end.year + 1)
        changes = (change for year in years for change in _changes(year, self.zone))
        edges = [start, *(change for change in changes if start < change < end), end]
        return [
            Stretch(since, until, _offset(since, self.zone))
            for since, until in pairwise(edges)
            if since < until
        ]

    def keeps_quarter_hours(self) -> bool:
        """Return whether every local day and hour in it begins on a quarter hour of UTC.

        True of every zone today. Liberia was 44½ minutes behind until 1972, and the clocks of
        St. John's changed one minute after midnight until 2011.
        """
        return all(
            stretch.offset % QUARTER_HOUR == (stretch.start - _EPOCH) % QUARTER_HOUR == timedelta(0)
            for stretch in self.stretches()
        )

    def weekdays(self) -> list[int]:
        """How many Mondays … Sundays it has; a date that the zone skipped doesn't count."""
        weeks, more = divmod(self.days, 7)
        counts = [weeks] * 7
        for day in range(more):
            counts[(self.first + timedelta(days=day)).weekday()] += 1
        for skipped in self._skipped():
            counts[skipped.weekday()] -= 1
        return counts

    def _skipped(self) -> Iterator[date]:
        """The dates that the zone skipped: the day before and the day of each change may be one."""
        changed = {
            local_date(stretch.start, self.zone) + timedelta(days=n)
            for stretch in self.stretches()
            for n in (-2, -1, 0)
        }
        for day in changed:
            ends = (_midnight(each, self.zone) for each in (day, day + ONE_DAY))
            if self.first <= day < self.end and len(set(ends)) == 1:
                yield day

    def buckets(self, by: Granularity) -> list[TimeBucket]:
        """Cut it into hours, days, weeks (from Monday) or months, without gaps or overlaps.

        An hour at which the clocks change may be shorter, and occurs twice when they go back. A
        date that the zone skipped has no bucket.

        Raises:
            ParameterError: it has more than MOST_DAYS.
        """
        self._refuse_too_many(by)
        if by is Granularity.HOUR:
            return list(self._hours())
        if by is Granularity.DAY:
            return list(self._days())
        return list(self._longer(by))

    def _refuse_too_many(self, by: Granularity) -> None:
        longest = MOST_DAYS.get(by, self.days)
        if self.days <= longest:
            return
        raise ParameterError(
            "by",
            by.value,
            f"would cut {self.days:,} days into more than {MAX_BUCKETS:,} buckets; take a range of "
            f"at most {longest:,} days or longer buckets",
            next(each for each in Granularity if self.days <= MOST_DAYS.get(each, self.days)).value,
        )

    def _hours(self) -> Iterator[TimeBucket]:
        for stretch in self.stretches():
            local = stretch.start + stretch.offset
            into_the_hour = timedelta(
                minutes=local.minute, seconds=local.second, microseconds=local.microsecond
            )
            start, end = stretch.start, stretch.start - into_the_hour + _HOUR
            while start < stretch.end:
                yield TimeBucket(start, min(end, stretch.end))
                start, end = end, end + _HOUR

    def _days(self) -> Iterator[TimeBucket]:
        dates = (self.first + timedelta(days=n) for n in range(self.days + 1))
        for start, end in pairwise(_midnight(day, self.zone) for day in dates):
            if start < end:
                yield TimeBucket(start, end)

    def _longer(self, by: Granularity) -> Iterator[TimeBucket]:
        begin = _first_of_week if by is Granularity.WEEK else _first_of_month
        longest = timedelta(days=7 if by is Granularity.WEEK else 31)
        whole = begin(self.first)
        while whole < self.end:
            following = begin(whole + longest)
            start = _midnight(max(whole, self.first), self.zone)
            end = _midnight(min(following, self.end), self.zone)
            if start < end:
                yield TimeBucket(start, end, partial=whole < self.first or following > self.end)
            whole = following


def parse_date(parameter: str, text: str) -> date:
    """Read `YYYY-MM-DD`, the only form accepted.

    Raises:
        ParameterError: the form is another, the calendar has no such date, or it is out of range:
            EARLIEST to the day before LATEST, and for `to` one day later at both ends.
    """
    valid = "2024-05-01"
    if not _DATE.fullmatch(text):
        raise ParameterError(parameter, text, "is not a date of the form YYYY-MM-DD", valid)
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise ParameterError(parameter, text, "is not in the calendar", valid) from error
    earliest, latest = (
        (EARLIEST + ONE_DAY, LATEST) if parameter == "to" else (EARLIEST, LATEST - ONE_DAY)
    )
    if not earliest <= day <= latest:
        raise ParameterError(parameter, text, f"is not within {earliest} and {latest}", valid)
    return day


@functools.cache
def zone_names() -> Sequence[str]:
    """Every IANA zone that is accepted, sorted; the tzdata package's list, not the machine's."""
    listed = importlib.resources.files("tzdata").joinpath("zones").read_text("utf-8")
    return sorted(set(listed.split()) - {"Factory"})


def find_zone(text: str) -> ZoneInfo:
    """Return the zone of that name.

    Raises:
        ParameterError: there is none; `valid` is the nearest name.
    """
    if text not in zone_names():
        unescaped = text.replace(" ", "+")
        if unescaped in zone_names():
            reason = f"is not an IANA time zone; {unescaped} is, and in a URL + is written %2B"
            hint = f"Valid, for example: tz={unescaped.replace('+', '%2B')}"
            raise ParameterError("tz", text, reason, unescaped, hint=hint)
        valid = nearest(text, zone_names(), otherwise="Europe/Berlin")
        raise ParameterError("tz", text, "is not an IANA time zone", valid)
    return ZoneInfo(text)


def nearest(text: str, options: Sequence[str], *, otherwise: str) -> str:
    """The option that `text` was most likely meant to be."""
    by_folded = {option.casefold(): option for option in options}
    near = difflib.get_close_matches(_shortened(text).casefold(), by_folded, n=1)
    return by_folded[near[0]] if near else otherwise


def moved(instant: datetime, days: int, zone: ZoneInfo) -> datetime:
    """The instant with the same local time so many days later."""
    return (instant.astimezone(zone) + timedelta(days=days)).astimezone(UTC)


def running(by: Granularity, now: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Where the bucket begins that `now` lies in, and where the one before it does."""
    there = now.astimezone(zone)
    if by is Granularity.HOUR:
        past = timedelta(minutes=there.minute, seconds=there.second, microseconds=there.microsecond)
        start = now.astimezone(UTC) - past
        return start, start - _HOUR
    today = there.date()
    begin = {
        Granularity.DAY: lambda day: day,
        Granularity.WEEK: _first_of_week,
        Granularity.MONTH: _first_of_month,
    }[by]
    first = begin(today)
    return _midnight(first, zone), _midnight(begin(first - ONE_DAY), zone)


def local_date(instant: datetime, zone: ZoneInfo) -> date:
    """The local date in that zone."""
    return instant.astimezone(zone).date()


def choose(first: date | None, end: date | None, zone: ZoneInfo, newest: date) -> Period:
    """Complete what was asked for to a period; what is missing makes it DEFAULT_DAYS long.

    Its dates are such as `parse_date` accepts, so they can be asked for again.

    Args:
        first: `from`, or None.
        end: `to`, or None.
        zone: whose dates they are.
        newest: the local date of the newest data, with which a period without `to` ends.

    Raises:
        ParameterError: `to` isn't after `from`, or lies more than MAX_DAYS after it.
    """
    span = timedelta(days=DEFAULT_DAYS)
    if end is None:
        end = max(EARLIEST, min(newest, LATEST - ONE_DAY)) + ONE_DAY
        if first is not None and first >= end:
            end = min(first + span, LATEST)
    if first is None:
        first = max(end - span, EARLIEST)
    if first >= end:
        valid = str(first + ONE_DAY)
        raise ParameterError(
            "to", str(end), f"is not after from={first} (it is the first date left out)", valid
        )
    if (end - first).days > MAX_DAYS:
        valid = str(end - timedelta(days=MAX_DAYS))
        raise ParameterError("from", str(first), f"is over {MAX_DAYS:,} days before to", valid)
    return Period(first, end, zone)


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_ECHO else text[: _LONGEST_ECHO - 1] + "…"


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    """The first instant of a date.

    Where clocks skip midnight, `fold=0` counts on with the offset before, which gives the very
    instant of the change; where midnight comes twice, it gives the first.
    """
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _offset(instant: datetime, zone: ZoneInfo) -> timedelta:
    return instant.astimezone(zone).utcoffset() or timedelta(0)


@functools.lru_cache(maxsize=10_000)
def _changes(year: int, zone: ZoneInfo) -> tuple[datetime, ...]:
    """The instants of a year of UTC at which the zone's offset changes; looks at each day once."""
    found = []
    at, until = (datetime(each, 1, 1, tzinfo=UTC) for each in (year, year + 1))
    while at < until:
        later = min(at + ONE_DAY, until)
        if _offset(at, zone) != _offset(later, zone):
            later = _change(at, later, zone)
            found.append(later)
        at = later
    return tuple(found)


def _change(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The second at which the offset of `before` ends; `after` has another one."""
    offset = _offset(before, zone)
    while after - before > _SECOND:
        middle = before + timedelta(seconds=(after - before) // _SECOND // 2)
        if _offset(middle, zone) == offset:
            before = middle
        else:
            after = middle
    return after


def _first_of_week(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _first_of_month(day: date) -> date:
    return day.replace(day=1)
