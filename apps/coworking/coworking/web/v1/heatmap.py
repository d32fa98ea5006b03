"""GET /api/v1/heatmap: check-ins by weekday and hour of the day."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from coworking import reports
from coworking.extent import period_of
from coworking.web.v1.answers import Cell, HeatmapAnswer, Meta, Weekday, meta
from coworking.web.v1.representations import Representation

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from coworking.web.v1.queries import PeriodQuery


def heatmap(connection: Connection, query: PeriodQuery, now: datetime) -> Representation:
    """The check-ins of the 168 hours of the week in the query's period."""
    period, extent = period_of(connection, query.first, query.end, query.zone, now)
    found = reports.heatmap(connection, period, extent)
    data = [
        Cell(weekday=name, hour=hour, check_ins=counts[hour], days=days[hour])
        for name, counts, days in zip(get_args(Weekday), found.counts, found.days, strict=True)
        for hour in range(24)
    ]
    answer = HeatmapAnswer(data=data, meta=Meta(**meta(period, extent)))
    return Representation(answer, tuple(Cell.model_fields), [row.model_dump() for row in data])
