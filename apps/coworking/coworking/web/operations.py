"""What operators ask: /health_check, /readiness_check, /version."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from coworking import __version__, schema
from coworking.errors import ServiceError
from coworking.web import services
from coworking.web.door import refusal

BUSY_AGE = 0.25  # seconds; while many wait for checks, the probe takes one that was just made

blueprint = Blueprint("operations", __name__)


class Stopping(ServiceError):  # noqa: N818 (a state, and an intended one)
    """This process was told to stop; it serves what still comes, and more should not be sent."""


@blueprint.get("/health_check")
def health_check() -> Response:
    """Whether the process answers; the database has no part in it."""
    return Response("ok")


@blueprint.get("/readiness_check")
def readiness_check() -> Response:
    """Whether requests should be sent here: not stopping, a database, a schema new enough.

    A revision that this build doesn't know is a later release's, and compatible; only an older
    one is refused.
    """
    if services().stopping():
        raise Stopping("this process is stopping")
    age = BUSY_AGE if services().lanes.busy else 0.0
    schema.require(services().freshness.check(age).revision)
    return Response("ok")


@blueprint.get("/version")
def version() -> Response:
    """What runs here: the release, its build and commit; with an access key also the schema."""
    config = services().config
    response = jsonify(
        version=__version__, build=config.build, commit=config.commit, **_schema_for_friends()
    )
    response.headers["Cache-Control"] = "no-store"
    return response


def _schema_for_friends() -> dict[str, object]:
    """The schema that is needed and the one that is there; nothing for strangers.

    Without keys everybody is a stranger.
    """
    if not services().keys.closed or refusal() is not None:
        return {}
    try:
        found = services().freshness.check().revision
    except ServiceError:
        found = None
    return {"schema": {"needs": schema.REQUIRED_REVISION, "has": found}}
