"""GET /api/v1/overview: the five figures of a period, each beside the previous period's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coworking import reports
from coworking.web.v1.answers import Figures, OverviewAnswer, OverviewMeta, Previous, figure, meta
from coworking.web.v1.representations import Representation

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from coworking.web.v1.queries import PeriodQuery

COLUMNS = ("metric", "value", "previous", "change", "reason")


def overview(connection: Connection, query: PeriodQuery, now: datetime) -> Representation:
    """The figures of the query's period; `now` is where it ends if there are no data."""
    period, extent = reports.period_of(connection, query.first, query.end, query.zone, now)
    previous = period.previous()
    comparable = extent.begins_before(period)
    found = reports.overview(connection, period)._asdict()
    figures = Figures(**{name: figure(each, comparable=comparable) for name, each in found.items()})
    answer = OverviewAnswer(
        data=figures,
        meta=OverviewMeta(
            **meta(period, extent),
            previous=Previous(
                first=previous.first, end=previous.end, complete=extent.covers(previous)
            ),
        ),
    )
    rows = [{"metric": name, **cells} for name, cells in figures.model_dump().items()]
    return Representation(answer, COLUMNS, rows)
