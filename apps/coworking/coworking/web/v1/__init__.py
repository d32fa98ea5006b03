"""/api/v1: reports on check-ins in the reader's own calendar, as JSON or CSV.

Each report is a function of a connection, a query and the present time; what they have in common
(reading the query, choosing the representation, keeping it until the data change) is here.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from flask import Response, request
from flask_openapi3 import APIBlueprint, Tag
from werkzeug.exceptions import NotAcceptable

from coworking.extent import horizon_of
from coworking.logs import LOGGER
from coworking.periods import ParameterError
from coworking.web import door, services
from coworking.web.edge import PRIVATE, REQUEST_ID
from coworking.web.problems import problem
from coworking.web.v1 import answers, documented
from coworking.web.v1.checkins import checkins as build_checkins
from coworking.web.v1.heatmap import heatmap as build_heatmap
from coworking.web.v1.impossible import impossible as build_impossible
from coworking.web.v1.members import members as build_members
from coworking.web.v1.overview import overview as build_overview
from coworking.web.v1.queries import (
    AtRiskQuery,
    BucketQuery,
    OverviewQuery,
    PeriodQuery,
    ReportQuery,
    refuse_repeated,
)
from coworking.web.v1.representations import wanted

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from coworking.web.bodies import Body
    from coworking.web.v1.representations import Representation

Q = TypeVar("Q", bound=ReportQuery | PeriodQuery)

blueprint = APIBlueprint(
    "v1",
    __name__,
    url_prefix="/api/v1",
    abp_responses=documented.RESPONSES,
    abp_tags=[Tag(name="Reports", description="Counts of check-ins and members; no names.")],
)


@blueprint.get(
    "/overview",
    responses={200: answers.OverviewAnswer},
    description="The previous period has the same number of days and ends where this one begins, "
    "unless `compare` asks for another one.",
)
def overview(query: OverviewQuery) -> Response:
    """The figures of a period, each beside the previous period's."""
    return _answer(query, build_overview)


@blueprint.get(
    "/checkins",
    responses={200: answers.CheckinsAnswer},
    description="Empty buckets are listed too. Weeks begin on Monday.",
)
def checkins(query: BucketQuery) -> Response:
    """Check-ins by hour, day, week or month."""
    return _answer(query, build_checkins)


@blueprint.get(
    "/heatmap",
    responses={200: answers.HeatmapAnswer},
    description="Counts are sums; divide by `days` for an average.",
)
def heatmap(query: PeriodQuery) -> Response:
    """Check-ins by weekday and hour of the day."""
    return _answer(query, build_heatmap)


@blueprint.get(
    "/impossible",
    responses={200: answers.ImpossibleAnswer},
    description="They are in the future, or before 1900. Every other report leaves them out.",
)
def impossible(query: ReportQuery) -> Response:
    """Check-ins whose date can't be."""
    return _answer(query, build_impossible)


@blueprint.get(
    "/members",
    responses={200: answers.MembersAnswer},
    description="Ids, not names. Only with an access key, also where the other reports answer "
    "everybody; each access is logged.",
)
def members(query: AtRiskQuery) -> Response:
    """Members at risk: who stopped coming, or never came."""
    entry = door.refusal()
    if entry is not None:
        return door.refused(entry)
    request.environ[PRIVATE] = True
    response = _answer(query, build_members)
    fields = {"request_id": request.environ.get(REQUEST_ID), "list": query.which.value}
    LOGGER.info("members were listed", extra={"fields": fields})
    return response


@blueprint.errorhandler(ParameterError)
def _not_usable(error: ParameterError) -> Response:
    return problem(400, str(error), parameter=error.parameter, value=error.value, valid=error.valid)


@blueprint.errorhandler(NotAcceptable)
def _not_acceptable(error: NotAcceptable) -> Response:
    return problem(406, str(error.description))


def _answer(query: Q, build: Callable[[Connection, Q, datetime], Representation]) -> Response:
    """Answer with the report, kept as any client's while the data stay the same."""
    refuse_repeated(request.args)
    fmt = wanted(query.format)
    now = datetime.now(UTC)
    # As time goes by, days end and dates cease to be impossible: the horizon is in the question.
    horizon = horizon_of(now)
    parameters = query.model_dump(exclude={"format"}).values()

    def body(connection: Connection) -> Body:
        return build(connection, query, now).body(fmt)

    answer = services().freshness.answer((request.endpoint, fmt, horizon, *parameters), body)
    response = answer.body.response()
    response.vary.add("Accept")
    response.headers["Report-Freshness"] = answer.header
    if fmt == "csv":
        name = f"coworking-{request.path.rpartition('/')[2]}.csv"
        response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
