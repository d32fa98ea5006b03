"""GET /: the dashboard. One page, rendered here; everything that was picked is in its URL."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from flask import Blueprint, redirect, request

from coworking import reports
from coworking.comparisons import Compare, compared
from coworking.errors import ServiceError
from coworking.extent import horizon_of, period_of
from coworking.lanes import FULL, Busy
from coworking.members import AtRisk
from coworking.periods import Granularity, ParameterError, Period, local_date, zone_names
from coworking.presets import named
from coworking.reports import Overview
from coworking.web import charts, choice, mistakes, notices, services, words
from coworking.web.errors import note
from coworking.web.full import CROWDED
from coworking.web.headline import headline, judged
from coworking.web.pages import address, answered, frame, page, rendered
from coworking.web.problems import RETRY_AFTER

if TYPE_CHECKING:
    from flask import Response
    from sqlalchemy import Connection
    from werkzeug.wrappers import Response as Redirect

    from coworking.extent import Extent
    from coworking.freshness import AgedBody
    from coworking.hours import HourOfWeek
    from coworking.periods import TimeBucket
    from coworking.reports import HoursOfWeek, SoFar
    from coworking.web.bodies import Body
    from coworking.web.choice import WantedView

# The longest range, in days, that each grouping is chosen for when none is picked.
AUTOMATIC = ((2, Granularity.HOUR), (92, Granularity.DAY), (731, Granularity.WEEK))
LISTS = {"members_not_seen": AtRisk.NOT_SEEN, "members_never_came": AtRisk.NEVER_CAME}
MOST_TIMES = 60  # of an hour of the week that was picked
AREAS = (
    *("Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe"),
    *("Indian", "Pacific"),
)

blueprint = Blueprint("dashboard", __name__)


class Card(NamedTuple):
    """A figure on the page: its name, its value, how it moved, and what it is compared with.

    `verdict` says whether it became better or worse, if it changed, or why that is not said;
    `apart` is who else there is, whom the figure leaves out; `listed` is the list of members
    behind it.
    """

    label: str
    value: str
    change: words.Trend
    context: str
    verdict: str = ""
    apart: str = ""
    listed: str = ""


@dataclass(frozen=True)
class Findings:
    """Everything that the page shows of the data, from one snapshot."""

    period: Period
    extent: Extent
    overview: Overview
    by: Granularity
    buckets: list[TimeBucket]
    counts: list[int]
    whole: list[bool]
    heat: HoursOfWeek
    heat_before: HoursOfWeek
    times: list[tuple[TimeBucket, int]]
    running: SoFar | None
    any_tokens: bool

    @property
    def nbytes(self) -> int:
        """Bytes of memory, roughly: each bucket is a count and two instants."""
        return 10_000 + 300 * len(self.buckets)


@blueprint.get("/")
def dashboard() -> Response | Redirect:
    """The dashboard of the range that the URL names, by default the newest 30 days."""
    if choice.SENT in request.args:
        return redirect(address(choice.sent(request.args)))
    picked = {name: value for name, value in request.args.items() if value}
    arrived = time.monotonic()
    try:
        if CROWDED in request.environ:
            raise Busy(FULL)
        asked = choice.read(picked)
        now = datetime.now(UTC)
        answer = services().freshness.answer(
            ("dashboard", horizon_of(now), *asked),
            lambda connection: find(connection, asked, now),
        )
        response = answered(_page(picked, asked, answer, now, arrived))
    except ParameterError as error:
        return page(
            "dashboard.html",
            {**_controls(picked, None), "problem": error, "mistake": mistakes.explained(error)},
            400,
        )
    except ServiceError as error:
        return _away(picked, error)
    response.headers["Report-Freshness"] = answer.header
    return response


def _page(
    picked: dict[str, str],
    asked: WantedView,
    answer: AgedBody[Findings],
    now: datetime,
    arrived: float,
) -> Body:
    """The page, rendered once for all who ask the same of the same data within a second.

    It says as of which second it is; one that is not exact says how old it is, and has no twin.
    """
    logged_in = frame(picked)["logged_in"]
    key = (*sorted(picked.items()), logged_in, answer.version, now.replace(microsecond=0))
    pages, lanes = services().pages, services().lanes
    if answer.age > 0:
        with lanes.place(), lanes.work(arrived):
            return _rendered(picked, asked, answer, now)
    found = pages.get(key)
    if found is None:
        with lanes.place(), services().renders.turn(key) as (shared, _):
            found = shared.found or pages.get(key)
            if found is None:
                with lanes.work(arrived):
                    shared.found = found = _rendered(picked, asked, answer, now)
                pages.put(key, found, found.nbytes)
    return found


def _rendered(
    picked: dict[str, str], asked: WantedView, answer: AgedBody[Findings], now: datetime
) -> Body:
    context = {
        **_controls(picked, answer.body),
        **shown_of(answer.body, asked),
        "refresh": True,
        "as_of": now - timedelta(seconds=answer.age),
        "age": answer.age,
        "verified": answer.not_verified_since is None,
    }
    return rendered("dashboard.html", context)


def _away(picked: dict[str, str], error: ServiceError) -> Response:
    """503, without what is picked: many may ask for it at once, so it is kept too."""
    note(error)
    context = {
        **frame(picked),
        "refresh": True,
        "reason": str(error),
        "busy": isinstance(error, Busy),
    }
    key = (request.environ["QUERY_STRING"], context["logged_in"], str(error))
    refusals = services().refusals
    found = refusals.get(key)
    if found is None:
        found = rendered("away.html", context)
        refusals.put(key, found, found.nbytes)
    response = answered(found, 503)
    response.headers["Retry-After"] = RETRY_AFTER
    return response


def find(connection: Connection, asked: WantedView, now: datetime) -> Findings:
    """Everything that the page shows of the data, as of `now`."""
    period, extent = _period(connection, asked, now)
    by = asked.by or _grouping(period)
    buckets = period.buckets(by)
    return Findings(
        period=period,
        extent=extent,
        overview=reports.overview(connection, period, extent.horizon),
        by=by,
        buckets=buckets,
        counts=reports.checkins(connection, period, buckets, extent.horizon),
        whole=extent.whole(buckets, period),
        heat=reports.heatmap(connection, period, extent),
        heat_before=reports.heatmap(connection, period.previous(), extent),
        times=_times(connection, period, extent, asked.at),
        running=reports.so_far(connection, by, asked.zone, extent),
        any_tokens=extent.newest is not None or reports.tokens_issued(connection),
    )


def _times(
    connection: Connection, period: Period, extent: Extent, at: HourOfWeek | None
) -> list[tuple[TimeBucket, int]]:
    """The newest times of an hour of the week, oldest first, each with its check-ins."""
    covered = extent.covered(period)
    if at is None or covered is None:
        return []
    buckets = at.buckets(covered, MOST_TIMES)
    counts = reports.checkins(connection, covered, buckets, extent.horizon)
    found = list(zip(buckets, counts, strict=True))[::2]
    return [(bucket, count) for bucket, count in found if bucket.start < extent.horizon]


def _period(connection: Connection, asked: WantedView, now: datetime) -> tuple[Period, Extent]:
    """The period that was asked for, with what it is compared with."""
    period, extent = period_of(connection, asked.first, asked.end, asked.zone, now)
    if asked.preset is not None:
        dates = named(asked.preset, local_date(now, asked.zone), period.end)
        period = Period(*dates, asked.zone)
    elif asked.first is None and asked.end is None:
        period = period.days_before(asked.days)
    return compared(period, asked.compare), extent


def _grouping(period: Period) -> Granularity:
    for longest, by in AUTOMATIC:
        if period.days <= longest:
            return by
    return Granularity.MONTH


def _controls(picked: dict[str, str], found: Findings | None) -> dict[str, object]:
    """What the pickers need, whether or not there is anything to show."""
    zone = picked.get("tz", services().config.place_time_zone)
    return {
        **frame(picked),
        **choice.fields(picked, found.period if found else None),
        "picked": picked,
        "zone": zone,
        "zones": _zones(zone),
        "period": found.period if found else None,
        "words": words,
    }


def _zones(selected: str) -> dict[str, list[str]]:
    """The zones by area, for the picker; older names are valid but only listed when in use."""
    areas: dict[str, list[str]] = {"": ["UTC"]}
    for name in zone_names():
        area, _, place = name.partition("/")
        if place and area in AREAS:
            areas.setdefault(area, []).append(name)
        elif name == selected and name != "UTC":
            areas[""].append(name)
    return areas


def shown_of(found: Findings, asked: WantedView) -> dict[str, object]:
    """What the page's report is made of."""
    period, extent = found.period, found.extent
    obstacle = extent.obstacle(period)
    compare = {} if asked.compare is Compare.PREVIOUS else {"compare": asked.compare}
    csv = {"from": period.first, "to": period.end, "tz": period.zone.key, "format": "csv"}
    shown: dict[str, object] = {
        "found": found,
        "headline": headline(
            found.overview,
            found.heat,
            found.heat_before,
            verified=extent.not_verified_since is None,
            obstacle=obstacle or "",
        ),
        "at": asked.at and charts.hour_of_week(*asked.at),
        "previous": None if obstacle else period.previous(),
        "newest_inside": extent.newest is not None
        and period.start_at <= extent.newest < period.end_at,
        "runs": period.start_at < extent.horizon < period.end_at,
        "running": notices.running(found.running, period.zone),
        "edges": notices.edges(extent, period),
        "notices": notices.notices(extent, period.zone),
        "cards": cards(found.overview, period, extent, obstacle),
        "csv": csv,
        "overview_csv": {**csv, **compare},
    }
    if any(found.counts):
        shown["chart"] = charts.bar_chart(
            found.buckets, found.counts, found.by, period.zone, found.whole
        )
        shown["summary"] = notices.summary(found.counts, found.whole, found.by)
        shown["heat"] = charts.heat_map(*found.heat)
    return shown


def cards(overview: Overview, period: Period, extent: Extent, obstacle: str | None) -> list[Card]:
    """The five figures of a period; `obstacle` is why there is nothing to compare, if so."""
    before, then = _past(period, period.cut(extent.horizon))
    verified = extent.not_verified_since is None

    def left(metric: reports.Metric) -> str:
        count = int(metric.value or 0)
        others = f"; {words.number(count)} other{'' if count == 1 else 's'} left" if count else ""
        return f"active{others}" if count else "active members"

    not_seen = f"Not seen for {reports.NOT_SEEN_DAYS} days"
    rows = (
        ("Check-ins", overview.check_ins, words.COUNTED, before, ""),
        ("Members who came", overview.unique_members, words.COUNTED, before, ""),
        ("Tokens left unused", overview.unused_share, words.SHARED, before, ""),
        (not_seen, overview.members_not_seen, words.AT_A_DATE, then, left(overview.left_not_seen)),
        (
            *("Never came", overview.members_never_came, words.AT_A_DATE, then),
            left(overview.left_never_came),
        ),
    )
    found = []
    for name, (label, metric, manner, when, apart) in zip(Overview._fields, rows, strict=False):
        value, change, context = words.figure(*metric, manner, when, obstacle)
        # No conclusion from what is not verified, and no word about a change too small to show.
        said = judged(name, metric).words if change.direction and verified else ""
        found.append(Card(label, value, change, context, said, apart, LISTS.get(name, "")))
    return found


def _past(period: Period, cut: datetime) -> tuple[str, str]:
    """What a figure is compared with, in words: of a stretch of time, and at its end."""
    previous = period.previous()
    adjacent = previous.end == period.first and previous.days == period.days
    days = f"the {words.days(period.days)} before"
    before = f"in {days}" if adjacent else f"in {words.span(previous)}"
    if cut < period.end_at:
        moment = words.moment(period.same_moment_before(cut), period.zone)
        until = f"by the same moment of {days if adjacent else words.span(previous)}"
        return until, f"on {moment}"
    return before, f"on {words.day(previous.end)}"
