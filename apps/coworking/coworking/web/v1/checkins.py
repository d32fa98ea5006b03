"""GET /api/v1/checkins: check-ins by hour, day, week or month."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coworking import reports
from coworking.extent import period_of
from coworking.web.v1.answers import Bucket, CheckinsAnswer, CheckinsMeta, local, meta, running
from coworking.web.v1.representations import Representation

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from coworking.web.v1.queries import BucketQuery


def checkins(connection: Connection, query: BucketQuery, now: datetime) -> Representation:
    """The check-ins of the query's buckets, the empty ones too."""
    period, extent = period_of(connection, query.first, query.end, query.zone, now)
    buckets = period.buckets(query.by)
    counts = reports.checkins(connection, period, buckets, extent.horizon)
    whole = extent.whole(buckets, period)
    so_far = reports.so_far(connection, query.by, query.zone, extent)
    data = [
        Bucket(
            start=local(bucket.start, query.zone),
            end=local(bucket.end, query.zone),
            check_ins=count,
            partial=bucket.partial,
            complete=complete,
        )
        for bucket, count, complete in zip(buckets, counts, whole, strict=True)
    ]
    answer = CheckinsAnswer(
        data=data,
        meta=CheckinsMeta(**meta(period, extent), by=query.by, running=running(so_far, query.zone)),
    )
    return Representation(
        answer, tuple(Bucket.model_fields), [row.model_dump(mode="json") for row in data]
    )
