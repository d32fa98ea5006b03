"""What every report answers, as the OpenAPI document has it: the statuses, types and headers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from coworking.web.problems import PROBLEM_TYPE, ProblemDetails

if TYPE_CHECKING:
    from flask_openapi3.types import ResponseDict
    from pydantic import ConfigDict

_PROBLEM = {PROBLEM_TYPE: {"schema": {"$ref": f"#/components/schemas/{ProblemDetails.__name__}"}}}
_TEXT = {"schema": {"type": "string"}}

HEADERS: dict[str, Any] = {
    "ETag": {"description": "Changes with the answer; each representation has its own.", **_TEXT},
    "Vary": {"description": "What the choice of the representation depends on.", **_TEXT},
    "Report-Freshness": {
        "description": "`exact`, or `within` with the seconds that the answer may be behind, or "
        "`not-verified` with the moment since when.",
        **_TEXT,
    },
}

_PROBLEMS = {
    "400": "A parameter can't be used; the answer says which, and a value that can.",
    "405": "Reports are only read: GET, HEAD, OPTIONS.",
    "406": "`Accept` allows neither JSON nor CSV.",
    "412": "`If-Match` names no present answer.",
    "503": "The database is away, or took too long. Try again.",
}

# One for every status but 200, which each report's answer describes by itself.
RESPONSES: ResponseDict = {
    "304": {"description": "The client has this answer already (`If-None-Match`)."},
    **{status: {"description": text, "content": _PROBLEM} for status, text in _PROBLEMS.items()},
}


def success(description: str, example: str) -> ConfigDict:
    """The configuration of an answer's model: what a 200 has beside its JSON.

    Args:
        description: what the answer is.
        example: the first lines of the CSV.
    """
    extra = {
        "description": description,
        "headers": HEADERS,
        "content": {"text/csv": {"schema": {"type": "string"}, "example": example}},
    }
    # `openapi_extra` is flask-openapi3's addition to pydantic's keys.
    return cast("ConfigDict", {"openapi_extra": extra})
