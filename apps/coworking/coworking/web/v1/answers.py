"""What /api/v1 answers: one shape for success, `{"data": …, "meta": …}`, typed per report."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from coworking.members import AtRisk  # noqa: TC001 (as below)
from coworking.periods import Granularity  # noqa: TC001 (pydantic reads the annotations)
from coworking.reports import NOT_SEEN_DAYS
from coworking.web.v1.documented import success

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from coworking.extent import Extent
    from coworking.periods import Period
    from coworking.reports import Metric, SoFar

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
    newest_check_in: datetime | None = Field(
        description="The last of all, in any period; impossible dates are left out."
    )
    impossible_check_ins: int = Field(
        description="How many have a date in the future, or before 1900. They are left out of all "
        "figures; `/api/v1/impossible` lists them."
    )
    silent_since: datetime | None = Field(
        description="The newest check-in, if none came since for longer than the longest pause "
        "of the eight weeks before it (a week where there is none), and a day more."
    )
    not_verified_since: datetime | None = Field(
        description="When the figures were last known to be right, if writes have bypassed what "
        "they are read from; null while all is well."
    )


class Running(Answer):
    """What is not whole: the hour, day, week or month that runs, beside the one before."""

    by: Granularity
    start: datetime
    until: datetime = Field(description="The end of the quarter hour that runs.")
    check_ins: int = Field(description="So far.")
    previous_start: datetime
    previous_until: datetime = Field(description="The same moment of the one before.")
    previous: int = Field(description="The check-ins of the one before up to that moment.")


class CheckinsMeta(Meta):
    """Also how long a bucket is, and what runs."""

    by: Granularity
    running: Running | None = Field(description="Null if check-ins have stopped.")


class Previous(Answer):
    """The period of the same length that ends where the reported one begins."""

    first: date = Field(alias="from")
    end: date = Field(alias="to")
    complete: bool = Field(description="False if the data begin only after its start.")


class OverviewMeta(Meta):
    """Also the period that was compared with, and today."""

    until: datetime = Field(
        description="Up to where it counts: the period's end, or of a period that runs the end of "
        "the quarter hour that runs; the previous period then counts up to the same moment."
    )
    previous: Previous
    running: Running | None = Field(description="Today so far; null if check-ins have stopped.")


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
    complete: bool = Field(
        description="False if the range, the present or the data's begin or end cuts it."
    )


class Cell(Answer):
    """The check-ins of an hour of the week."""

    weekday: Weekday
    hour: int = Field(ge=0, le=23, description="The local hour in which they lie.")
    check_ins: int
    days: int = Field(description="How many such hours the data cover, to take an average.")


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
        "start,end,check_ins,partial,complete\r\n"
        "2024-05-01T00:00:00+02:00,2024-05-02T00:00:00+02:00,41,false,true\r\n",
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


class ImpossibleRow(Answer):
    """A check-in whose date can't be; times are UTC, as the database writes them."""

    token_id: int
    user_id: int
    issued_at: str
    used_at: str


class ImpossibleMeta(Answer):
    """How many there are, and as of when."""

    impossible_check_ins: int
    until: datetime = Field(description="Later dates are in the future.")


class ImpossibleAnswer(Answer):
    """The answer of `/api/v1/impossible`: the first thousand, the latest dates first."""

    model_config = success(
        "The check-ins.",
        "token_id,user_id,issued_at,used_at\r\n7,3,2026-11-29 08:00:00,2027-01-04 09:00:00\r\n",
    )

    data: list[ImpossibleRow]
    meta: ImpossibleMeta


class MemberRow(Answer):
    """A member at risk."""

    member_id: int
    joined_at: datetime
    last_check_in: datetime | None = Field(description="Null if there is none.")
    days_with_check_ins: int = Field(description="On how many local days they checked in.")
    usual_days_between: float | None = Field(
        description="Days from one such day to the next, on average; null of fewer than two."
    )


class MembersMeta(Answer):
    """Which list it is, as of when, and where the next page begins."""

    which: AtRisk = Field(alias="list")
    tz: str
    until: datetime = Field(description="Nothing is counted from here on.")
    next: int | None = Field(description="`after` of the next page; null on the last one.")


class MembersAnswer(Answer):
    """The answer of `/api/v1/members`: a page, by id."""

    model_config = success(
        "The members.",
        "member_id,joined_at,last_check_in,days_with_check_ins,usual_days_between\r\n"
        "17,2024-01-09T00:00:00Z,2024-03-02T09:12:00Z,31,3.4\r\n",
    )

    data: list[MemberRow]
    meta: MembersMeta


def figure(metric: Metric, *, obstacle: str | None) -> Figure:
    """A metric with its change, or with the reason why there is none."""
    previous = None if obstacle else metric.previous
    change = None
    if metric.value is not None and previous is not None:
        change = round(metric.value - previous, 6)
    reason = None
    if metric.value is None:
        reason = "no tokens were issued in this period"
    elif obstacle:
        reason = f"nothing to compare: {obstacle}"
    elif previous is None:
        reason = "nothing to compare: no tokens were issued in the previous period"
    return Figure(value=metric.value, previous=previous, change=change, reason=reason)


def local(instant: datetime, zone: ZoneInfo) -> datetime:
    """The instant with the zone's offset; in UTC where RFC 3339 can't write it (it has seconds)."""
    there = instant.astimezone(zone)
    return there if (there.utcoffset() or timedelta(0)).seconds % 60 == 0 else instant


def meta(period: Period, extent: Extent) -> dict[str, object]:
    """The fields of `Meta`."""
    oldest, newest, silent = (
        at and local(at, period.zone) for at in (extent.oldest, extent.newest, extent.silent_since)
    )
    since = extent.not_verified_since
    return {
        "first": period.first,
        "end": period.end,
        "tz": period.zone.key,
        "oldest_check_in": oldest,
        "newest_check_in": newest,
        "impossible_check_ins": extent.impossible,
        "silent_since": silent,
        "not_verified_since": since and local(since, period.zone),
    }


def running(found: SoFar | None, zone: ZoneInfo) -> Running | None:
    """What runs, in the zone's time."""
    if found is None:
        return None
    cells = found._asdict()
    return Running(
        **{
            name: local(cell, zone) if isinstance(cell, datetime) else cell
            for name, cell in cells.items()
        }
    )
