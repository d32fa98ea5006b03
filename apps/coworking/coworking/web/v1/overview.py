"""GET /api/v1/overview: the figures of a period, each beside the previous period's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coworking import reports
from coworking.comparisons import compared
from coworking.extent import period_of
from coworking.periods import Granularity
from coworking.web.v1.answers import (
    Figures,
    OverviewAnswer,
    OverviewMeta,
    Previous,
    figure,
    local,
    meta,
    running,
)
from coworking.web.v1.representations import Representation

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from coworking.web.v1.queries import OverviewQuery

COLUMNS = ("metric", "value", "previous", "change", "reason")


def overview(connection: Connection, query: OverviewQuery, now: datetime) -> Representation:
    """The figures of the query's period, as of `now`."""
    period, extent = period_of(connection, query.first, query.end, query.zone, now)
    period = compared(period, query.compare)
    previous = period.previous()
    first = extent.first_day(query.zone)
    obstacle = extent.obstacle(period)
    found = reports.overview(connection, period, extent.horizon)._asdict()
    figures = Figures(**{name: figure(each, obstacle=obstacle) for name, each in found.items()})
    answer = OverviewAnswer(
        data=figures,
        meta=OverviewMeta(
            **meta(period, extent),
            until=local(period.cut(extent.horizon), query.zone),
            previous=Previous(
                first=previous.first,
                end=previous.end,
                complete=first is not None and first <= previous.first,
            ),
            running=running(
                reports.so_far(connection, Granularity.DAY, query.zone, extent), query.zone
            ),
        ),
    )
    rows = [{"metric": name, **cells} for name, cells in figures.model_dump().items()]
    return Representation(answer, COLUMNS, rows)
