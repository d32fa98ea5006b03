"""The outermost layer of every request: its id, its count, its log line, its safe headers.

It wraps the app as plain WSGI, which costs a third of what Flask's hooks cost, and so it also sees
the answers that no view made.
"""

from __future__ import annotations

import logging
import re
import time
from itertools import count
from os import urandom
from typing import TYPE_CHECKING

from flask import Response, request

from coworking.logs import LOGGER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from coworking.metrics import Metrics
    from coworking.web.full import Full, NoPlace

# As proxies and tracing libraries make them; anything else could forge or break log lines.
SANE_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}").fullmatch
REQUEST_ID = "coworking.request_id"
ROUTE = "coworking.route"
REASON = "coworking.reason"  # why an answer is not the one that was asked for; for the log
PRIVATE = "coworking.private"  # whether the answer depends on the request's key or cookie
PRIVATE_HEADERS = (("Cache-Control", "private"), ("Vary", "Authorization, Cookie"))
SAFE_HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Frame-Options", "DENY"),
)
PROBES = frozenset({"/health_check", "/readiness_check"})
NO_ROUTE = "(none)"


class WholeResponse(Response):
    """A response whose body, if it is in memory anyway, goes to the server in one piece.

    WSGI servers ask an iterator for its parts one by one, each time from another thread; a list
    they send at once.
    """

    def get_app_iter(self, environ: WSGIEnvironment) -> Iterable[bytes]:
        parts = super().get_app_iter(environ)
        if not self.is_sequence or self.direct_passthrough:
            return parts
        whole = list(parts)
        self.close()
        return whole


def note_route(response: Response) -> Response:
    """Leave the route's template for the log and the metrics; the framework drops it at the end."""
    if request.url_rule is not None:
        request.environ[ROUTE] = request.url_rule.rule
    return response


def _refuse(
    refused: NoPlace, environ: WSGIEnvironment, start: Callable[..., object]
) -> Iterable[bytes]:
    """Answer with a refusal; only paths that are their own templates are refused so."""
    environ[ROUTE], environ[REASON] = environ["PATH_INFO"], refused.reason
    start(refused.status, refused.headers)
    return [refused.body]


class Edge:
    """WSGI around an app.

    Args:
        app: what answers.
        metrics: where answers are counted.
        stopping: whether the process was told to stop; clients that keep their connection are
            then asked to open their next one, which finds another process.
        full: refuses what the app need not see.
    """

    def __init__(
        self,
        app: WSGIApplication,
        metrics: Metrics,
        stopping: Callable[[], bool],
        full: Full,
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._stopping = stopping
        self._full = full
        self._prefix = urandom(8).hex()
        self._numbers = count(1)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        started = time.perf_counter()
        request_id = environ.get("HTTP_X_REQUEST_ID", "")
        if not SANE_ID(request_id):
            request_id = f"{self._prefix}-{next(self._numbers)}"
        environ[REQUEST_ID] = request_id
        statuses: list[str] = []

        def start(
            status: str, headers: list[tuple[str, str]], exc_info: Any = None
        ) -> Callable[[bytes], object]:
            statuses.append(status)
            headers.extend(SAFE_HEADERS)
            headers.append(("X-Request-ID", request_id))
            if PRIVATE in environ:  # beside what the answer itself says: both headers are lists
                headers.extend(PRIVATE_HEADERS)
            if self._stopping():
                headers.append(("Connection", "close"))
            return start_response(status, headers, exc_info)

        refused = self._full.refusal(environ)
        if refused is None:
            try:
                body = self._app(environ, start)
            finally:
                self._full.left(environ)
        else:
            body = _refuse(refused, environ, start)
        self._note(environ, int(statuses[-1][:3]), request_id, time.perf_counter() - started)
        return body

    def _note(self, environ: WSGIEnvironment, status: int, request_id: str, seconds: float) -> None:
        route = environ.get(ROUTE, NO_ROUTE)
        method = environ["REQUEST_METHOD"]
        self._metrics.observe(method, route, status, seconds)
        level = logging.DEBUG if status < 400 and route in PROBES else logging.INFO
        if LOGGER.isEnabledFor(level):
            fields = {
                "request_id": request_id,
                "method": method[:20],
                "route": route,
                "status": status,
                "milliseconds": round(seconds * 1000, 3),
            }
            if REASON in environ:
                fields["reason"] = environ[REASON]
            LOGGER.log(level, "request", extra={"fields": fields})
