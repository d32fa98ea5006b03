"""The one shape of an error: `application/problem+json` (RFC 9457), never a stack trace."""

from __future__ import annotations

from http import HTTPStatus

from flask import Response
from pydantic import BaseModel, Field

PROBLEM_TYPE = "application/problem+json"
RETRY_AFTER = "1"  # seconds; a database that comes back is noticed by the next request


class ProblemDetails(BaseModel):
    """What went wrong, for a person (`detail`) and for a program (the rest)."""

    type: str = Field("about:blank", description="The status says what kind of problem it is.")
    title: str = Field(description="The status in words.")
    status: int = Field(ge=400, le=599)
    detail: str = Field(description="What is wrong, and what would be right.")
    parameter: str | None = Field(None, description="The parameter that can't be used.")
    value: str | None = Field(None, description="Its value, shortened if it is long.")
    valid: str | None = Field(None, description="What would be accepted in its place.")


def problem(
    status: int,
    detail: str,
    *,
    parameter: str | None = None,
    value: str | None = None,
    valid: str | None = None,
) -> Response:
    """The response that describes a problem; the fields are `ProblemDetails`'s."""
    body = problem_body(status, detail, parameter=parameter, value=value, valid=valid)
    return Response(body, status, content_type=PROBLEM_TYPE)


def problem_body(status: int, detail: str, **fields: str | None) -> str:
    """A problem's text; `fields` are those of `ProblemDetails` that not every problem has."""
    found = ProblemDetails(
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        **fields,
    )
    return found.model_dump_json(exclude_none=True) + "\n"
