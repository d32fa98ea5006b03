"""The OpenAPI description of the handlers without typed parameters: they take none."""

from __future__ import annotations

from typing import Any

from coworking.web.problems import PROBLEM_TYPE

_AWAY = {
    "description": "The database is away, or its schema is older than this build needs.",
    "content": {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}},
}


def _get(
    tag: str, summary: str, media_type: str, schema: dict[str, Any], *, asks_database: bool = False
) -> dict[str, Any]:
    """A path that is read without parameters."""
    responses: dict[str, Any] = {
        "200": {"description": "The answer.", "content": {media_type: {"schema": schema}}}
    }
    if asks_database:
        responses["503"] = _AWAY
    return {"get": {"tags": [tag], "summary": summary, "responses": responses}}


_TEXT = {"type": "string"}
_COUNT = {"type": "integer", "minimum": 0}

UNTYPED: dict[str, Any] = {
    "/api/reports/daily_usage": _get(
        "Older reports",
        "Used tokens by the date on which they were issued (UTC)",
        "application/json",
        {"type": "object", "additionalProperties": _COUNT},
        asks_database=True,
    ),
    "/api/reports/user_visits": _get(
        "Older reports",
        "Tokens, used or not, by user id",
        "application/json",
        {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "required": ["joined_at", "visits"],
                "properties": {"joined_at": _TEXT, "visits": _COUNT},
                "additionalProperties": False,
            },
        },
        asks_database=True,
    ),
    "/health_check": _get("Operations", "Whether the process answers", "text/html", _TEXT),
    "/readiness_check": _get(
        "Operations",
        "Whether requests should be sent here",
        "text/html",
        _TEXT,
        asks_database=True,
    ),
    "/version": _get(
        "Operations",
        "Release, build and commit; with an access key also the schema",
        "application/json",
        {
            "type": "object",
            "required": ["version", "build", "commit"],
            "properties": {
                "version": _TEXT,
                "build": _TEXT,
                "commit": _TEXT,
                "schema": {
                    "type": "object",
                    "required": ["needs", "has"],
                    "properties": {"needs": _TEXT, "has": {"type": ["string", "null"]}},
                },
            },
        },
    ),
    "/openapi.json": _get("Documents", "This document", "application/json", {"type": "object"}),
    "/openapi/": _get("Documents", "This document as a page", "text/html", _TEXT),
}
