"""Where the data begin and end as of now: what every range, average and comparison rests on.

    extent = extent_of(connection, datetime.now(UTC))
    extent.obstacle(period)      # why the period can't be compared with the one before, or None

Times count up to the *horizon*, the end of the quarter hour of UTC in which `now` lies: rollups are
of quarter hours, and clocks differ by minutes. A check-in dated at the horizon or later, or before
1900, is impossible: it is counted and listed here and left out of every report.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import text

from coworking.periods import EARLIEST, ONE_DAY, QUARTER_HOUR, Period, choose, local_date

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date
    from zoneinfo import ZoneInfo

    from sqlalchemy import Connection

    from coworking.periods import TimeBucket

# Check-ins have stopped when none came for longer than the longest pause of so many weeks before
# the newest one, and a day more. Where there is no pause to measure, it is a week.
RHYTHM_WEEKS = 8
UNKNOWN_RHYTHM = timedelta(days=7)


class Extent(NamedTuple):
    """Where the data begin and end.

    Attributes:
        oldest: the instant of the first possible check-in; None if there is none.
        newest: the instant of the last one.
        horizon: the end of the quarter hour that runs.
        impossible: how many check-ins have an impossible date.
        silent_since: the newest check-in, if none came for longer than their own rhythm.
        not_verified_since: when the rollups were last known to equal the tokens, if they may not.
        fault: how writes have bypassed them (coworking/checks.py).
    """

    oldest: datetime | None
    newest: datetime | None
    horizon: datetime
    impossible: int = 0
    silent_since: datetime | None = None
    not_verified_since: datetime | None = None
    fault: str | None = None

    def first_day(self, zone: ZoneInfo) -> date | None:
        """The local date of the first check-in; that day is whole, for nobody opens at midnight."""
        return None if self.oldest is None else local_date(self.oldest, zone)

    def last_day(self, zone: ZoneInfo) -> date:
        """The local date with which the data end: today, unless check-ins have stopped."""
        return local_date(self.silent_since or self.horizon - QUARTER_HOUR, zone)

    def covered(self, period: Period) -> Period | None:
        """The dates of the period that have data, today among them; None if there are none."""
        first = self.first_day(period.zone)
        if first is None:
            return None
        first = max(first, period.first)
        end = min(self.last_day(period.zone) + ONE_DAY, period.end)
        return Period(first, end, period.zone) if first < end else None

    def whole(self, buckets: Sequence[TimeBucket], period: Period) -> list[bool]:
        """Whether each bucket is whole: not cut by the range, by the present, or by the data."""
        covered = self.covered(period)
        if covered is None:
            return [False] * len(buckets)
        since, until = covered.start_at, min(covered.end_at, self.horizon)
        return [not each.partial and since <= each.start and each.end <= until for each in buckets]

    def obstacle(self, period: Period) -> str | None:
        """Why the period can't be compared with the one before; None if it can."""
        first = self.first_day(period.zone)
        if first is None or self.oldest is None or self.oldest >= period.start_at:
            return "there are no check-ins before this period"
        if self.horizon <= period.start_at:
            return "this period has not begun"
        if first >= period.previous().end:
            return f"the data begin on {first:%-d %b %Y}, after the period to compare with"
        if first > period.previous().first:
            return f"the data begin on {first:%-d %b %Y}, within the period to compare with"
        last = self.last_day(period.zone)
        if self.silent_since is not None and last < period.end - ONE_DAY:
            return f"the data end on {last:%-d %b %Y}, before this period's end"
        return None


# Planned with its values each time: a plan for any values counts by parallel workers where there
# are very many tokens, and starting those takes 10 ms.
_EXTENT = text("""
SELECT (SELECT min(used_at) FROM public.tokens WHERE used_at >= :earliest AND used_at < :horizon),
       (SELECT max(used_at) FROM public.tokens WHERE used_at >= :earliest AND used_at < :horizon),
       (SELECT count(*) FROM public.tokens WHERE used_at >= :horizon)
       + (SELECT count(*) FROM public.tokens WHERE used_at < :earliest),
       not_verified_since, fault
FROM public.rollup_checks
""")
_LONGEST_PAUSE = text("""
SELECT max(pause) FROM (
    SELECT start - lag(start) OVER (ORDER BY start) AS pause FROM public.exact_quarter_hours
    WHERE check_ins > 0 AND start >= :since AND start <= :newest
) AS pauses
""")
_IMPOSSIBLE = text("""
SELECT id, user_id, created_at::text AS issued_at, used_at::text AS used_at FROM public.tokens
WHERE used_at >= :horizon OR used_at < :earliest ORDER BY used_at DESC, id LIMIT :most
""")


class ImpossibleCheckIn(NamedTuple):
    """A check-in that can't have happened at its time; the texts are PostgreSQL's, in UTC."""

    token_id: int
    user_id: int
    issued_at: str
    used_at: str


def horizon_of(now: datetime) -> datetime:
    """The end of the quarter hour of UTC in which `now` lies."""
    past = timedelta(minutes=now.minute % 15, seconds=now.second, microseconds=now.microsecond)
    return now.astimezone(UTC) - past + QUARTER_HOUR


def extent_of(connection: Connection, now: datetime) -> Extent:
    """Return where the data begin and end as of `now`: looks into an index.

    Check-ins that are a day old or younger have not stopped; only for older ones is their rhythm
    read.
    """
    horizon = horizon_of(now)
    oldest, newest, impossible, *checked = connection.execute(_EXTENT, _bounds(horizon)).one()
    if newest is None:
        return Extent(None, None, horizon, impossible, None, *checked)
    found = Extent(aware(oldest), aware(newest), horizon, impossible, None, *checked)
    age = horizon - aware(newest)
    # No pause is longer than the weeks it is looked for in: after those it need not be read.
    longest = ONE_DAY + timedelta(weeks=RHYTHM_WEEKS)
    if age > longest or (age > ONE_DAY and age > ONE_DAY + _longest_pause(connection, newest)):
        found = found._replace(silent_since=found.newest)
    return found


def impossible(connection: Connection, now: datetime, most: int) -> list[ImpossibleCheckIn]:
    """List the check-ins whose date can't be, the latest dates first, at most so many."""
    bounds = {**_bounds(horizon_of(now)), "most": most}
    return [ImpossibleCheckIn(*row) for row in connection.execute(_IMPOSSIBLE, bounds)]


def period_of(
    connection: Connection, first: date | None, end: date | None, zone: ZoneInfo, now: datetime
) -> tuple[Period, Extent]:
    """Complete a period by the newest whole day that has data (or by today, if there is none).

    Raises:
        ParameterError: as `periods.choose`.
    """
    found = extent_of(connection, now)
    newest = today = local_date(now, zone)
    if found.newest is not None:
        newest = min(local_date(found.newest, zone), today)
        if newest == today and found.first_day(zone) != today:
            newest -= ONE_DAY
    return choose(first, end, zone, newest), found


def naive(instant: datetime) -> datetime:
    """In UTC without a zone, as the tables have it."""
    return instant.astimezone(UTC).replace(tzinfo=None)


def aware(timestamp: datetime) -> datetime:
    """The instant that a table's timestamp is."""
    return timestamp.replace(tzinfo=UTC)


def _longest_pause(connection: Connection, newest: datetime) -> timedelta:
    bounds = {"since": newest - timedelta(weeks=RHYTHM_WEEKS), "newest": newest}
    found: timedelta | None = connection.execute(_LONGEST_PAUSE, bounds).scalar()
    return UNKNOWN_RHYTHM if found is None else found


def _bounds(horizon: datetime) -> dict[str, object]:
    return {"earliest": EARLIEST, "horizon": naive(horizon)}
