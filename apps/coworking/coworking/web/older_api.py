"""The older service's two reports, byte for byte: GET /api/reports/daily_usage and user_visits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, Response

from coworking import older_reports
from coworking.errors import ServiceError
from coworking.web import services

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Iterator

    from sqlalchemy import Connection

    from coworking.older_reports import JsonBody

blueprint = Blueprint("older_api", __name__, url_prefix="/api/reports")


class Busy(ServiceError):  # noqa: N818 (a state, and it passes)
    """As many long answers are being sent as this process allows at the same time."""


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

    def __init__(self, parts: Iterable[bytes], places: threading.Semaphore) -> None:
        self._places: threading.Semaphore | None = None
        if not places.acquire(blocking=False):
            raise Busy("too many long answers are being sent at this moment")
        self._parts = iter(parts)
        self._places = places

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return next(self._parts)

    def close(self) -> None:
        """Give the place back; the server calls it, also when the client has gone away."""
        places, self._places = self._places, None
        if places is not None:
            places.release()

    def __del__(self) -> None:
        self.close()


def _answer(build: Callable[[Connection], JsonBody]) -> Response:
    answer = services().freshness.answer(build.__name__, build)
    body = answer.body
    parts = body.pieces if body.whole else Sending(body.parts(), services().long_answers)
    response = Response(parts, mimetype="application/json")
    response.headers["Content-Length"] = str(body.length)
    response.headers["Report-Freshness"] = answer.header
    return response
