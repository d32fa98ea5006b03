"""The older service's two reports, byte for byte: GET /api/reports/daily_usage and user_visits."""

from __future__ import annotations

from flask import Blueprint, Response, current_app

from coworking import older_reports
from coworking.web import services

blueprint = Blueprint("older_api", __name__, url_prefix="/api/reports")


@blueprint.get("/daily_usage")
def daily_usage() -> Response:
    """Used tokens by day."""
    return _answer("daily_usage")


@blueprint.get("/user_visits")
def user_visits() -> Response:
    """Tokens by user."""
    return _answer("user_visits")


def _answer(report: str) -> Response:
    answer = services().freshness.answer(report, getattr(older_reports, report))
    response = current_app.response_class(answer.body.parts(), mimetype="application/json")
    response.headers["Content-Length"] = str(answer.body.length)
    response.headers["Report-Freshness"] = answer.header
    return response
