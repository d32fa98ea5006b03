"""The SQL behind /api/v1 and the dashboard: overview, check-ins over time, weekday by hour.

A check-in is a token being used, at its `used_at`. Timestamps in the database are UTC without a
zone; the instants given and returned here are aware, and nothing is counted from the extent's
horizon on. Counts of check-ins are read from the quarter
hours, which every zone's days and hours begin on today; the tokens themselves are read only for
members, and for periods of which that isn't true.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import text

from coworking.extent import naive
from coworking.periods import QUARTER_HOUR, Granularity, moved, running

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from sqlalchemy import Connection

    from coworking.extent import Extent
    from coworking.periods import Period, TimeBucket

NOT_SEEN_DAYS = 30


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


def checkins(
    connection: Connection, period: Period, buckets: Sequence[TimeBucket], horizon: datetime
) -> list[int]:
    """Count the check-ins of each bucket; `buckets` are those of the period, in order."""
    if not buckets:
        return []
    starts = [naive(bucket.start) for bucket in buckets]
    rows = connection.execute(
        text(_CHECKINS.format(source=_source(period))),
        {"starts": starts, **_bounds(period.start_at, period.cut(horizon))},
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


class HoursOfWeek(NamedTuple):
    """Check-ins by local weekday (from Monday) and hour: 7 lists of 24, and on how many days.

    Only whole hours count: the one that runs is left out, and so are days without data at the
    range's ends.
    """

    counts: list[list[int]]
    days: list[list[int]]


def heatmap(connection: Connection, period: Period, extent: Extent) -> HoursOfWeek:
    """Count check-ins by local weekday and hour, in the whole hours that the data cover."""
    found = HoursOfWeek([[0] * 24 for _ in range(7)], [[0] * 24 for _ in range(7)])
    covered = extent.covered(period)
    stretches = covered.stretches() if covered else []
    if covered is None or not stretches:
        return found
    this_hour, _ = running(Granularity.HOUR, extent.horizon - QUARTER_HOUR, period.zone)
    until = covered.cut(this_hour)
    rows = connection.execute(
        text(_HEATMAP.format(source=_source(period))),
        {
            "starts": [naive(stretch.start) for stretch in stretches],
            "offsets": [round(stretch.offset.total_seconds()) for stretch in stretches],
            **_bounds(covered.start_at, until),
        },
    )
    for weekday, hour, count in rows:
        found.counts[weekday - 1][hour] = count
    whole = covered if until == covered.end_at else covered.days_until(until)
    for weekday, days in enumerate(whole.weekdays()):
        found.days[weekday] = [days] * 24
    if until < covered.end_at:
        there = until.astimezone(period.zone)
        for hour in range(there.hour):
            found.days[there.weekday()][hour] += 1
    return found


class SoFar(NamedTuple):
    """The hour, day, week or month that runs, beside the one before up to the same moment.

    Attributes:
        start, until: what is counted of the one that runs.
        check_ins: its check-ins so far.
        previous_start, previous_until: what is counted of the one before.
        previous: the check-ins of that.
    """

    by: Granularity
    start: datetime
    until: datetime
    check_ins: int
    previous_start: datetime
    previous_until: datetime
    previous: int


_SO_FAR = text("""
SELECT coalesce(sum(check_ins) FILTER (WHERE start >= :start), 0)::bigint,
       coalesce(sum(check_ins) FILTER (WHERE start < :previous_until), 0)::bigint
FROM public.exact_quarter_hours WHERE start >= :previous_start AND start < :until
""")


def so_far(connection: Connection, by: Granularity, zone: ZoneInfo, extent: Extent) -> SoFar | None:
    """Count what runs at present; None if there are no check-ins, or they have stopped."""
    if extent.oldest is None or extent.silent_since is not None:
        return None
    start, before = running(by, extent.horizon - QUARTER_HOUR, zone)
    if by is Granularity.HOUR:
        until_before = extent.horizon - (start - before)
    else:
        dates = start.astimezone(zone).date() - before.astimezone(zone).date()
        until_before = min(start, moved(extent.horizon, -dates.days, zone))
    edges = {
        "start": start,
        "until": extent.horizon,
        "previous_start": before,
        "previous_until": until_before,
    }
    row = connection.execute(_SO_FAR, {name: naive(each) for name, each in edges.items()}).one()
    return SoFar(by, check_ins=row[0], previous=row[1], **edges)


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
    coalesce(sum(check_ins) FILTER (WHERE start < :before), 0),
    coalesce(sum(issued) FILTER (WHERE start >= :middle), 0),
    coalesce(sum(issued) FILTER (WHERE start < :before), 0),
    coalesce(sum(unused) FILTER (WHERE start >= :middle), 0),
    coalesce(sum(unused) FILTER (WHERE start < :before), 0)
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
    count(*) FILTER (WHERE first_check_in < :before),
    count(*) FILTER (WHERE joined_at < :until AND (first_check_in >= :until) IS NOT FALSE),
    count(*) FILTER (WHERE joined_at < :before AND (first_check_in >= :before) IS NOT FALSE),
    count(*) FILTER (WHERE is_active AND first_check_in < :until),
    count(*) FILTER (WHERE is_active AND first_check_in < :before),
    count(*) FILTER (WHERE is_active AND joined_at < :until
                     AND (first_check_in >= :until) IS NOT FALSE),
    count(*) FILTER (WHERE is_active AND joined_at < :before
                     AND (first_check_in >= :before) IS NOT FALSE)
] FROM public.exact_user_visits FULL JOIN public.users ON users.id = user_id
"""


def overview(connection: Connection, period: Period, horizon: datetime) -> Overview:
    """Return the figures of the period so far, each beside those of the previous period so far.

    The previous figures of the members not seen and never came are those at the period's start; of
    a period that runs, at the same moment of the period before. Whoever has ever checked in by then
    and is not among the members of the last 30 days is a member not seen; so counting both is
    enough.
    """
    previous = period.previous()
    cut = period.cut(horizon)
    before = period.same_moment_before(cut)
    spans = [
        *((period.start_at, cut), (previous.start_at, before)),
        *((_lately(period, cut), cut), (_lately(previous, before), before)),
    ]
    parts = {span: f"members_{number}" for number, span in enumerate(dict.fromkeys(spans))}
    source = _source(period if previous.keeps_quarter_hours() else previous)
    parameters = {
        **_bounds(previous.start_at, cut),
        "middle": naive(period.start_at),
        "before": naive(before),
    }
    for span, part in parts.items():
        parameters |= {f"{part}_{edge}": instant for edge, instant in _bounds(*span).items()}
    statement = _OVERVIEW.format(
        ever=_EVER,
        counts=_COUNTS.format(source=source),
        members="".join(_MEMBERS.format(part=part) for part in parts.values()),
    )
    rows = {row.part: row for row in connection.execute(text(statement), parameters)}
    every, active = rows["counts"].ever[:4], rows["counts"].ever[4:]
    return _figures(rows["counts"].figures, every, active, [rows[parts[x]].figures for x in spans])


def _figures(
    counts: Sequence[int],
    every: Sequence[int],
    active: Sequence[int],
    members: Sequence[Sequence[int]],
) -> Overview:
    """Put the counts of `_OVERVIEW` together; `members` are (all, active) of its four spans."""
    check_ins, check_ins_before, issued, issued_before, unused, unused_before = counts
    here, here_before, *lately = members
    not_seen = [active[n] - lately[n][1] for n in (0, 1)]
    gone = [every[n] - lately[n][0] - not_seen[n] for n in (0, 1)]
    return Overview(
        check_ins=Metric(check_ins, check_ins_before),
        unique_members=Metric(here[0], here_before[0]),
        unused_share=Metric(_share(unused, issued), _share(unused_before, issued_before)),
        members_not_seen=Metric(*not_seen),
        members_never_came=Metric(active[2], active[3]),
        left_not_seen=Metric(*gone),
        left_never_came=Metric(every[2] - active[2], every[3] - active[3]),
    )


def _lately(period: Period, cut: datetime) -> datetime:
    """The beginning of the 30 days that end at `cut`, by local time."""
    if cut == period.end_at:
        return period.days_before(NOT_SEEN_DAYS).start_at
    return moved(cut, -NOT_SEEN_DAYS, period.zone)


def _source(period: Period) -> str:
    return _QUARTER_HOURS if period.keeps_quarter_hours() else _TOKENS


def _bounds(since: datetime, until: datetime) -> dict[str, datetime]:
    return {"since": naive(since), "until": naive(until)}


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None
