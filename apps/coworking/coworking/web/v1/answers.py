"""What /api/v1 answers: one shape for success, `{"data": …, "meta": …}`, typed per report."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from coworking.periods import Granularity  # noqa: TC001 (pydantic reads the annotations)
from coworking.reports import NOT_SEEN_DAYS
from coworking.web.v1.documented import success

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from coworking.periods import Period
    from coworking.reports import Extent, Metric

Weekday = Literal["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]


class Answer(BaseModel):
    """Fields are written under their aliases."""

    model_config = ConfigDict(serialize_by_alias=True, populate_by_name=True)


class Meta(Answer):
    """The range that was reported on, and the range of all data."""

    first: date = Field(alias="from", description="The first local date.")
    end: date = Field(alias="to", description="The first local date left out.")
    tz: str = Field(description="The IANA time zone of the dates and hours.")
    oldest_check_in: datetime | None = Field(description="The first of all, in any period.")
    newest_check_in: datetime | None = Field(description="The last of all, in any period.")


class CheckinsMeta(Meta):
    """Also how long a bucket is."""

    by: Granularity


class Previous(Answer):
    """The period of the same length that ends where the reported one begins."""

    first: date = Field(alias="from")
    end: date = Field(alias="to")
    complete: bool = Field(description="False if the data begin only after its start.")


class OverviewMeta(Meta):
    """Also the period that was compared with."""

    previous: Previous


class Figure(Answer):
    """A figure beside the previous period's."""

    value: int | float | None = Field(description="Null if there is nothing to take a share of.")
    previous: int | float | None = Field(description="Null if there is nothing to compare.")
    change: int | float | None = Field(description="`value` minus `previous`, in the same unit.")
    reason: str | None = Field(description="Why a figure is null.")


class Figures(Answer):
    """The figures of an overview."""

    check_ins: Figure = Field(description="Tokens used in the period.")
    unique_members: Figure = Field(description="Members who checked in at least once.")
    unused_share: Figure = Field(
        description="Of the tokens issued in the period, the share not used so far, 0 to 1."
    )
    members_not_seen: Figure = Field(
        description=f"Active members who have checked in before, but not in the {NOT_SEEN_DAYS} "
        "days before the period's end."
    )
    members_never_came: Figure = Field(
        description="Active members who had joined by the period's end and never checked in by "
        "then."
    )
    left_not_seen: Figure = Field(
        description="As `members_not_seen`, of those who have left. Who has left is known as of "
        "now alone."
    )
    left_never_came: Figure = Field(description="As `members_never_came`, of those who have left.")


class Bucket(Answer):
    """The check-ins of a half-open stretch of time."""

    start: datetime
    end: datetime
    check_ins: int
    partial: bool = Field(description="The range cuts this week or month.")


class Cell(Answer):
    """The check-ins of an hour of the week."""

    weekday: Weekday
    hour: int = Field(ge=0, le=23, description="The local hour in which they lie.")
    check_ins: int
    days: int = Field(description="How many of this weekday the range has, to take an average.")


class OverviewAnswer(Answer):
    """The answer of `/api/v1/overview`."""

    model_config = success(
        "The figures.",
        "metric,value,previous,change,reason\r\ncheck_ins,1204,1100,104,\r\n",
    )

    data: Figures
    meta: OverviewMeta


class CheckinsAnswer(Answer):
    """The answer of `/api/v1/checkins`."""

    model_config = success(
        "The buckets, in order.",
        "start,end,check_ins,partial\r\n"
        "2024-05-01T00:00:00+02:00,2024-05-02T00:00:00+02:00,41,false\r\n",
    )

    data: list[Bucket]
    meta: CheckinsMeta


class HeatmapAnswer(Answer):
    """The answer of `/api/v1/heatmap`: 168 cells, from Monday 0 h to Sunday 23 h."""

    model_config = success(
        "The hours of the week.", "weekday,hour,check_ins,days\r\nMonday,0,3,4\r\n"
    )

    data: list[Cell]
    meta: Meta


def figure(metric: Metric, *, comparable: bool) -> Figure:
    """A metric with its change, or with the reason why there is none."""
    previous = metric.previous if comparable else None
    change = None
    if metric.value is not None and previous is not None:
        change = round(metric.value - previous, 6)
    reason = None
    if metric.value is None:
        reason = "no tokens were issued in this period"
    elif not comparable:
        reason = "nothing to compare: there are no check-ins before this period"
    elif previous is None:
        reason = "nothing to compare: no tokens were issued in the previous period"
    return Figure(value=metric.value, previous=previous, change=change, reason=reason)


def local(instant: datetime, zone: ZoneInfo) -> datetime:
    """The instant with the zone's offset; in UTC where RFC 3339 can't write it (it has seconds)."""
    there = instant.astimezone(zone)
    return there if (there.utcoffset() or timedelta(0)).seconds % 60 == 0 else instant


def meta(period: Period, extent: Extent) -> dict[str, object]:
    """The fields of `Meta`."""
    oldest, newest = (at and local(at, period.zone) for at in extent)
    return {
        "first": period.first,
        "end": period.end,
        "tz": period.zone.key,
        "oldest_check_in": oldest,
        "newest_check_in": newest,
    }
