"""The SQL behind /api/v1 and the dashboard: overview, check-ins over time, weekday by hour.

A check-in is a token being used, at its `used_at`. Timestamps in the database are UTC without a
zone; the instants given and returned here are aware. Counts of check-ins are read from the quarter
hours, which every zone's days and hours begin on today; the tokens themselves are read only for
members, and for periods of which that isn't true.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import text

from coworking.periods import EARLIEST, LATEST, choose, local_date

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date
    from zoneinfo import ZoneInfo

    from sqlalchemy import Connection

    from coworking.periods import Period, TimeBucket

NOT_SEEN_DAYS = 30


class Extent(NamedTuple):
    """The instants of the oldest and the newest check-in; None if there is none."""

    oldest: datetime | None
    newest: datetime | None

    def begins_before(self, period: Period) -> bool:
        """Whether there is anything to compare the period with."""
        return self.oldest is not None and self.oldest < period.start_at

    def covers(self, period: Period) -> bool:
        """Whether the data begin on its first day or earlier; nobody opens at midnight."""
        return self.oldest is not None and local_date(self.oldest, period.zone) <= period.first


class Metric(NamedTuple):
    """A figure beside the one of the previous period; None where there is nothing to divide by."""

    value: float | None
    previous: float | None


class Overview(NamedTuple):
    """The five figures of a period.

    Attributes:
        check_ins: tokens used in the period.
        unique_members: members who checked in at least once.
        unused_share: of the tokens issued in the period, the share not used so far, 0 to 1.
        members_not_seen: members who checked in before, but not in the 30 days before the end.
        members_never_came: members who had joined by the end and had never checked in by then.
        left_not_seen, left_never_came: the same of those who have left. Whether somebody has left
            is known as of now alone, so all four are of today's members at the period's end.
    """

    check_ins: Metric
    unique_members: Metric
    unused_share: Metric
    members_not_seen: Metric
    members_never_came: Metric
    left_not_seen: Metric
    left_never_came: Metric


# A stray date far outside the calendar ('infinity' is one) must not become the newest data.
_EXTENT = text("""
SELECT (SELECT min(used_at) FROM public.tokens WHERE used_at >= :earliest AND used_at < :latest),
       (SELECT max(used_at) FROM public.tokens WHERE used_at >= :earliest AND used_at < :latest)
""")


def extent(connection: Connection) -> Extent:
    """Return when the oldest and the newest check-in were; two looks into an index."""
    bounds = {"earliest": EARLIEST, "latest": LATEST}
    oldest, newest = connection.execute(_EXTENT, bounds).one()
    return Extent(_aware(oldest), _aware(newest))


def period_of(
    connection: Connection, first: date | None, end: date | None, zone: ZoneInfo, today: datetime
) -> tuple[Period, Extent]:
    """Complete a period from the newest check-in (or from `today`, if there is none).

    Raises:
        ParameterError: as `periods.choose`.
    """
    found = extent(connection)
    return choose(first, end, zone, local_date(found.newest or today, zone)), found


def tokens_issued(connection: Connection) -> bool:
    """Return whether any token was ever issued, used or not."""
    return bool(connection.execute(text("SELECT EXISTS (SELECT FROM public.tokens)")).scalar_one())


_QUARTER_HOURS = """
SELECT start, check_ins, issued, unused FROM public.exact_quarter_hours
WHERE start >= :since AND start < :until
"""

# The same columns for a period whose days don't begin on quarter hours.
_TOKENS = """
SELECT used_at AS start, 1 AS check_ins, 0 AS issued, 0 AS unused FROM public.tokens
WHERE used_at >= :since AND used_at < :until
UNION ALL
SELECT created_at, 0, 1, (used_at IS NULL)::int FROM public.tokens
WHERE created_at >= :since AND created_at < :until
"""

_CHECKINS = """
SELECT width_bucket(start, CAST(:starts AS timestamp[])), sum(check_ins)::bigint
FROM ({source}) AS source GROUP BY 1
"""


def checkins(connection: Connection, period: Period, buckets: Sequence[TimeBucket]) -> list[int]:
    """Count the check-ins of each bucket; `buckets` are those of the period, in order."""
    if not buckets:
        return []
    starts = [_naive(bucket.start) for bucket in buckets]
    rows = connection.execute(
        text(_CHECKINS.format(source=_source(period))), {"starts": starts, **_bounds(period)}
    )
    found: dict[int, int] = dict(rows.all())
    return [found.get(number, 0) for number in range(1, len(buckets) + 1)]


_HEATMAP = """
SELECT extract(isodow FROM local)::int, extract(hour FROM local)::int, sum(check_ins)::bigint
FROM (SELECT check_ins, start + interval '1 second' * (CAST(:offsets AS int[]))
                 [width_bucket(start, CAST(:starts AS timestamp[]))] AS local
      FROM ({source}) AS source) AS shifted
GROUP BY 1, 2
"""


def heatmap(connection: Connection, period: Period) -> list[list[int]]:
    """Count check-ins by local weekday and hour: 7 lists (from Monday) of 24."""
    counts = [[0] * 24 for _ in range(7)]
    stretches = period.stretches()
    if not stretches:
        return counts
    rows = connection.execute(
        text(_HEATMAP.format(source=_source(period))),
        {
            "starts": [_naive(stretch.start) for stretch in stretches],
            "offsets": [round(stretch.offset.total_seconds()) for stretch in stretches],
            **_bounds(period),
        },
    )
    for weekday, hour, count in rows:
        counts[weekday - 1][hour] = count
    return counts


# Each part is a branch of one UNION ALL, which PostgreSQL hands to parallel workers, one core per
# count of members. Groups are hashed, where count(DISTINCT) would sort. The leader takes the
# cheapest branch, the counts, and with its row computes `ever` while the workers still count.
_OVERVIEW = """
SELECT parts.*, CASE part WHEN 'counts' THEN ({ever}) END AS ever
FROM ({counts} {members}) AS parts
"""
_COUNTS = """
SELECT 'counts' AS part, ARRAY[
    coalesce(sum(check_ins) FILTER (WHERE start >= :middle), 0),
    coalesce(sum(check_ins) FILTER (WHERE start < :middle), 0),
    coalesce(sum(issued) FILTER (WHERE start >= :middle), 0),
    coalesce(sum(issued) FILTER (WHERE start < :middle), 0),
    coalesce(sum(unused) FILTER (WHERE start >= :middle), 0),
    coalesce(sum(unused) FILTER (WHERE start < :middle), 0)
]::bigint[] AS figures
FROM ({source}) AS source
"""
_MEMBERS = """
UNION ALL SELECT '{part}', ARRAY[count(*), count(*) FILTER (WHERE is_active)] FROM (
    SELECT user_id FROM public.tokens WHERE used_at >= :{part}_since AND used_at < :{part}_until
    GROUP BY user_id
) AS {part} LEFT JOIN public.users ON users.id = user_id
"""
_EVER = """
SELECT ARRAY[
    count(*) FILTER (WHERE first_check_in < :until),
    count(*) FILTER (WHERE first_check_in < :middle),
    count(*) FILTER (WHERE joined_at < :until AND (first_check_in >= :until) IS NOT FALSE),
    count(*) FILTER (WHERE joined_at < :middle AND (first_check_in >= :middle) IS NOT FALSE),
    count(*) FILTER (WHERE is_active AND first_check_in < :until),
    count(*) FILTER (WHERE is_active AND first_check_in < :middle),
    count(*) FILTER (WHERE is_active AND joined_at < :until
                     AND (first_check_in >= :until) IS NOT FALSE),
    count(*) FILTER (WHERE is_active AND joined_at < :middle
                     AND (first_check_in >= :middle) IS NOT FALSE)
] FROM public.exact_user_visits FULL JOIN public.users ON users.id = user_id
"""


def overview(connection: Connection, period: Period) -> Overview:
    """Return the five figures of the period, each beside the previous period's.

    The previous figures of the members not seen and never came are those at the period's start.
    Whoever has ever checked in by then and is not among the members of the last 30 days is a
    member not seen; so counting both is enough.
    """
    previous = period.previous()
    spans = [
        *(period, previous),
        *(each.days_before(NOT_SEEN_DAYS) for each in (period, previous)),
    ]
    parts = {span: f"members_{number}" for number, span in enumerate(dict.fromkeys(spans))}
    source = _source(period if previous.keeps_quarter_hours() else previous)
    parameters = {
        **_bounds(previous),
        "middle": _naive(period.start_at),
        "until": _naive(period.end_at),
    }
    for span, part in parts.items():
        parameters |= {f"{part}_{edge}": instant for edge, instant in _bounds(span).items()}
    statement = _OVERVIEW.format(
        ever=_EVER,
        counts=_COUNTS.format(source=source),
        members="".join(_MEMBERS.format(part=part) for part in parts.values()),
    )
    rows = {row.part: row for row in connection.execute(text(statement), parameters)}
    check_ins, check_ins_before, issued, issued_before, unused, unused_before = rows[
        "counts"
    ].figures
    every, active = rows["counts"].ever[:4], rows["counts"].ever[4:]
    members, members_before, *lately = (rows[parts[span]].figures for span in spans)
    not_seen = [Metric(*(active[n] - lately[n][1] for n in (0, 1)))]
    not_seen.append(Metric(*(every[n] - lately[n][0] - not_seen[0][n] for n in (0, 1))))
    return Overview(
        check_ins=Metric(check_ins, check_ins_before),
        unique_members=Metric(members[0], members_before[0]),
        unused_share=Metric(_share(unused, issued), _share(unused_before, issued_before)),
        members_not_seen=not_seen[0],
        members_never_came=Metric(active[2], active[3]),
        left_not_seen=not_seen[1],
        left_never_came=Metric(every[2] - active[2], every[3] - active[3]),
    )


def _source(period: Period) -> str:
    return _QUARTER_HOURS if period.keeps_quarter_hours() else _TOKENS


def _bounds(period: Period) -> dict[str, datetime]:
    return {"since": _naive(period.start_at), "until": _naive(period.end_at)}


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None


def _naive(instant: datetime) -> datetime:
    """In UTC without a zone, as the tables have it."""
    return instant.astimezone(UTC).replace(tzinfo=None)


def _aware(timestamp: datetime | None) -> datetime | None:
    return None if timestamp is None else timestamp.replace(tzinfo=UTC)
