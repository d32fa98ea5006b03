"""GET /api/v1/members: who is behind the figures "not seen" and "never came"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coworking.extent import period_of
from coworking.members import ListPage, at_risk
from coworking.web.v1.answers import MemberRow, MembersAnswer, MembersMeta, local
from coworking.web.v1.representations import Representation

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from coworking.web.v1.queries import AtRiskQuery


def members(connection: Connection, query: AtRiskQuery, now: datetime) -> Representation:
    """A page of the list, as of the end that the query names, or of now if that comes first."""
    period, extent = period_of(connection, None, query.end, query.zone, now)
    until = min(period.end_at, extent.horizon)
    page = ListPage(query.after, query.limit + 1)
    # One more than the page has says whether another page follows.
    found = at_risk(connection, query.which, until, query.zone, page)
    rows = [
        MemberRow(
            member_id=each.member_id,
            joined_at=local(each.joined_at, query.zone),
            last_check_in=each.last_check_in and local(each.last_check_in, query.zone),
            days_with_check_ins=each.days_with_check_ins,
            usual_days_between=each.usual_days_between,
        )
        for each in found[: query.limit]
    ]
    more = rows[-1].member_id if len(found) > query.limit else None
    answer = MembersAnswer(
        data=rows,
        meta=MembersMeta(
            which=query.which, tz=query.zone.key, until=local(until, query.zone), next=more
        ),
    )
    return Representation(
        answer, tuple(MemberRow.model_fields), [row.model_dump(mode="json") for row in rows]
    )
