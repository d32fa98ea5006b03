"""What operators ask: /health_check, /readiness_check, /version, /metrics."""

from __future__ import annotations

from flask import Blueprint, Response, current_app

from coworking.web import services

blueprint = Blueprint("operations", __name__)


@blueprint.get("/health_check")
def health_check() -> Response:
    """Whether the process answers; the database has no part in it."""
    return current_app.response_class("ok")


@blueprint.get("/readiness_check")
def readiness_check() -> Response:
    """Whether requests should be sent here: not draining, a database, a schema new enough."""
    services().freshness.check()
    return current_app.response_class("ok")
