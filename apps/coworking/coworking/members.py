"""Who is at risk: active members who stopped coming, or never came, with their usual rhythm.

These lists name members by their id, so only a request with an access key gets them. Pages are cut
by id: a page begins after the last id of the one before, whatever was written in between. Who is on
one is known from the sets of members (coworking/member_sets.py); their tokens are read alone.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import text

from coworking.extent import aware, naive
from coworking.member_sets import Span, page_of
from coworking.periods import EARLIEST, moved
from coworking.reports import NOT_SEEN_DAYS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from sqlalchemy import Connection, Row


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


# Whether somebody has left is known as of now alone. `page` has the ids; the index of tokens by
# user_id answers the inner part, for one member after the other.
_LISTED = """
SELECT users.id, users.joined_at, seen.last, seen.days, seen.first_day, seen.last_day
FROM {source}, LATERAL (
    SELECT max(used_at) AS last, count(DISTINCT day) AS days, min(day) AS first_day,
           max(day) AS last_day
    FROM (
        SELECT used_at, (used_at AT TIME ZONE 'UTC' AT TIME ZONE :zone)::date AS day
        FROM public.tokens
        WHERE user_id = users.id AND used_at >= :earliest AND used_at < :until
    ) AS check_ins
) AS seen
WHERE {condition} ORDER BY users.id LIMIT :most
"""
_PAGE = "page JOIN public.users ON users.id = page.user_id"
# Without the sets members are asked for in the order of their ids, until the page is full.
_WITHOUT_SETS: Mapping[AtRisk, str] = {
    AtRisk.NOT_SEEN: "is_active AND users.id > :after AND seen.last < :lately",
    AtRisk.NEVER_CAME: "is_active AND users.id > :after AND joined_at < :until AND days = 0",
}
_FIGURES: Mapping[AtRisk, Sequence[str]] = {
    AtRisk.NOT_SEEN: ("ever", "~lately", "active"),
    AtRisk.NEVER_CAME: ("joined", "~ever", "active"),
}


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
    lately = naive(moved(until, -NOT_SEEN_DAYS, zone))
    parameters = {
        "zone": zone.key,
        "earliest": EARLIEST,
        "until": naive(until),
        "lately": lately,
        **page._asdict(),
    }
    statement = _LISTED.format(source="public.users", condition=_WITHOUT_SETS[which])
    sets = page_of(connection, Span(lately, lately, naive(until)), _FIGURES[which])
    if sets is not None:
        statement = sets[0] + _LISTED.format(source=_PAGE, condition="true")
        parameters |= sets[1]
    return [_member(row) for row in connection.execute(text(statement), parameters)]


def _member(row: Row[Any]) -> MemberAtRisk:
    between = None
    if row.days > 1:
        between = round((row.last_day - row.first_day).days / (row.days - 1), 1)
    last = row.last and aware(row.last)
    return MemberAtRisk(row.id, aware(row.joined_at), last, row.days, between)
