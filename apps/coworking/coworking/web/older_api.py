"""The older service's two reports, byte for byte: GET /api/reports/daily_usage and user_visits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, Response, request

from coworking import older_reports
from coworking.web import services
from coworking.web.bodies import SHORTEST_GZIP, refuse_unmatched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sqlalchemy import Connection

    from coworking.lanes import Lanes
    from coworking.older_reports import JsonBody

blueprint = Blueprint("older_api", __name__, url_prefix="/api/reports")


@blueprint.get("/daily_usage")
def daily_usage() -> Response:
    """Used tokens by day."""
    return _answer(older_reports.daily_usage)


@blueprint.get("/user_visits")
def user_visits() -> Response:
    """Tokens by user."""
    return _answer(older_reports.user_visits)


class Sending:
    """The parts of a long body, in one of a bounded number of places until all are sent.

    A long body is unpacked as the client takes it, and a client that takes it slowly occupies a
    thread all the time. The places are fewer than the threads, so health checks and short answers
    always find one.
    """

    def __init__(self, parts: Iterable[bytes], lanes: Lanes) -> None:
        self._lanes: Lanes | None = None
        lanes.take_place("too many long answers are being sent at this moment")
        self._parts = iter(parts)
        self._lanes = lanes

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return next(self._parts)

    def close(self) -> None:
        """Give the place back; the server calls it, also when the client has gone away."""
        lanes, self._lanes = self._lanes, None
        if lanes is not None:
            lanes.give_place()

    def __del__(self) -> None:
        self.close()


def _answer(build: Callable[[Connection], JsonBody]) -> Response:
    """The report's text, in gzip where the client takes it, or 304 if the client has it."""
    answer = services().freshness.answer(build.__name__, build, short=True)
    body = answer.body
    asked = request.environ  # most requests have none of these headers, and parsing costs
    packed = "gzip" in asked.get("HTTP_ACCEPT_ENCODING", "") and body.length >= SHORTEST_GZIP
    packed = packed and request.accept_encodings["gzip"] > 0
    headers = {
        "Content-Length": str(body.packed_length if packed else body.length),
        "ETag": f'"{body.etag}-gzip"' if packed else f'"{body.etag}"',
        "Vary": "Accept-Encoding",
        "Report-Freshness": answer.header,
    }
    if packed:
        headers["Content-Encoding"] = "gzip"
    response = Response(headers=headers, content_type="application/json")
    if "HTTP_IF_MATCH" in asked or "HTTP_IF_NONE_MATCH" in asked:
        refuse_unmatched(response)
        response.make_conditional(request)
    if response.status_code == 200:
        parts = body.packed if packed else body.parts()
        long = body.plain is None
        response.response = Sending(parts, services().lanes) if long else parts
    return response
