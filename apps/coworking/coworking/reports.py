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

from coworking import prepared
from coworking.extent import naive
from coworking.member_sets import Span, members
from coworking.periods import QUARTER_HOUR, Granularity, moved, running

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from sqlalchemy import Connection

    from coworking.extent import Extent
    from coworking.member_sets import Counts
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


# What is stored and what no fold has moved yet, one after the other: their sum is the view's
# exact_quarter_hours, which takes twice the time to match them. As there, tokens is locked first.
_QUARTER_HOURS = """
SELECT used_at AS start, 0 AS check_ins, 0 AS issued, 0 AS unused FROM public.tokens WHERE false
UNION ALL
SELECT start, check_ins, issued, unused FROM public.quarter_hours
WHERE start >= :since AND start < :until
UNION ALL
SELECT start, check_ins, issued, unused FROM public.pending_quarter_hours
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


_COUNTS = """
SELECT coalesce(sum(check_ins) FILTER (WHERE start >= :middle), 0)::bigint,
       coalesce(sum(check_ins) FILTER (WHERE start < :before), 0)::bigint,
       coalesce(sum(issued) FILTER (WHERE start >= :middle), 0)::bigint,
       coalesce(sum(issued) FILTER (WHERE start < :before), 0)::bigint,
       coalesce(sum(unused) FILTER (WHERE start >= :middle), 0)::bigint,
       coalesce(sum(unused) FILTER (WHERE start < :before), 0)::bigint
FROM ({source}) AS source
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
    source = _source(period if previous.keeps_quarter_hours() else previous)
    parameters = {
        **_bounds(previous.start_at, cut),
        "middle": naive(period.start_at),
        "before": naive(before),
    }
    counts = _counts(connection, source, parameters)
    spans = [
        Span(naive(period.start_at), naive(_lately(period, cut)), naive(cut)),
        Span(naive(previous.start_at), naive(_lately(previous, before)), naive(before)),
    ]
    return _figures(counts, members(connection, spans))


def _counts(
    connection: Connection, source: str, parameters: Mapping[str, datetime]
) -> Sequence[int]:
    """The sums of _COUNTS. Of tokens PostgreSQL has to know how many it reads before it plans."""
    statement = _COUNTS.format(source=source)
    if source is _TOKENS:
        return connection.execute(text(statement), parameters).one()
    types = dict.fromkeys(parameters, "timestamp")
    return prepared.run(connection, statement, parameters, types).one()


def _figures(counts: Sequence[int], found: Sequence[Counts]) -> Overview:
    """Put the figures of the period and of the one before together."""
    check_ins, check_ins_before, issued, issued_before, unused, unused_before = counts
    here, before = found
    not_seen = [each.ever_active - each.lately_active for each in found]
    gone = [each.ever - each.lately - active for each, active in zip(found, not_seen, strict=True)]
    return Overview(
        check_ins=Metric(check_ins, check_ins_before),
        unique_members=Metric(here.here, before.here),
        unused_share=Metric(_share(unused, issued), _share(unused_before, issued_before)),
        members_not_seen=Metric(*not_seen),
        members_never_came=Metric(here.never_active, before.never_active),
        left_not_seen=Metric(*gone),
        left_never_came=Metric(here.never - here.never_active, before.never - before.never_active),
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
