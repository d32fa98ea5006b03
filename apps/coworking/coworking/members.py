"""Who is at risk: active members who stopped coming, or never came, with their usual rhythm.

These lists name members by their id, so only a request with an access key gets them. Pages are cut
by id: a page begins after the last id of the one before, whatever was written in between.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import text

from coworking.extent import aware, naive
from coworking.periods import EARLIEST, moved
from coworking.reports import NOT_SEEN_DAYS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from sqlalchemy import Connection


class AtRisk(StrEnum):
    """Which members: those that `members_not_seen` or `members_never_came` counts."""

    NOT_SEEN = "not-seen"
    NEVER_CAME = "never-came"


class MemberAtRisk(NamedTuple):
    """A member at risk.

    Attributes:
        member_id: the id, which is all that says who it is.
        joined_at: when they joined.
        last_check_in: None if they never came.
        days_with_check_ins: on how many local days they came.
        usual_days_between: days from one such day to the next, on average; None of fewer than two.
    """

    member_id: int
    joined_at: datetime
    last_check_in: datetime | None
    days_with_check_ins: int
    usual_days_between: float | None


# Whether somebody has left is known as of now alone. The index of tokens by user_id answers the
# inner part, for one member after the other until the page is full.
_NOT_SEEN = """
SELECT users.id, users.joined_at, seen.last, seen.days, seen.first_day, seen.last_day
FROM public.users, LATERAL (
    SELECT max(used_at) AS last, count(DISTINCT day) AS days, min(day) AS first_day,
           max(day) AS last_day
    FROM (
        SELECT used_at, (used_at AT TIME ZONE 'UTC' AT TIME ZONE :zone)::date AS day
        FROM public.tokens
        WHERE user_id = users.id AND used_at >= :earliest AND used_at < :until
    ) AS check_ins
) AS seen
WHERE users.is_active AND users.id > :after AND seen.last < :lately
ORDER BY users.id LIMIT :most
"""
_NEVER_CAME = """
SELECT users.id, users.joined_at, NULL AS last, 0 AS days, NULL AS first_day, NULL AS last_day
FROM public.users
WHERE is_active AND users.id > :after AND joined_at < :until AND NOT EXISTS (
    SELECT FROM public.tokens
    WHERE user_id = users.id AND used_at >= :earliest AND used_at < :until
)
ORDER BY users.id LIMIT :most
"""
_SQL: Mapping[AtRisk, str] = {AtRisk.NOT_SEEN: _NOT_SEEN, AtRisk.NEVER_CAME: _NEVER_CAME}


class ListPage(NamedTuple):
    """A part of a list: the `most` members that follow the id `after`."""

    after: int
    most: int


def at_risk(
    connection: Connection, which: AtRisk, until: datetime, zone: ZoneInfo, page: ListPage
) -> list[MemberAtRisk]:
    """List the members at risk, by id.

    Args:
        connection: to the database.
        which: the list.
        until: nothing is counted from here on.
        zone: whose days are counted.
        page: which part of the list.
    """
    parameters = {
        "zone": zone.key,
        "earliest": EARLIEST,
        "until": naive(until),
        "lately": naive(moved(until, -NOT_SEEN_DAYS, zone)),
        **page._asdict(),
    }
    found = []
    for row in connection.execute(text(_SQL[which]), parameters):
        between = None
        if row.days > 1:
            between = round((row.last_day - row.first_day).days / (row.days - 1), 1)
        last = row.last and aware(row.last)
        found.append(MemberAtRisk(row.id, aware(row.joined_at), last, row.days, between))
    return found
