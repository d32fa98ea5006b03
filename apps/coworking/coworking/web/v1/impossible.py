"""GET /api/v1/impossible: check-ins whose date can't be, which every report leaves out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coworking import extent
from coworking.web.v1.answers import ImpossibleAnswer, ImpossibleMeta, ImpossibleRow, local
from coworking.web.v1.representations import Representation

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from coworking.web.v1.queries import ReportQuery

MOST_ROWS = 1000


def impossible(connection: Connection, query: ReportQuery, now: datetime) -> Representation:
    """The check-ins with impossible dates as of `now`, the latest dates first."""
    found = extent.extent_of(connection, now)
    rows = [ImpossibleRow(**row._asdict()) for row in extent.impossible(connection, now, MOST_ROWS)]
    answer = ImpossibleAnswer(
        data=rows,
        meta=ImpossibleMeta(
            impossible_check_ins=found.impossible, until=local(found.horizon, query.zone)
        ),
    )
    return Representation(
        answer, tuple(ImpossibleRow.model_fields), [row.model_dump() for row in rows]
    )
