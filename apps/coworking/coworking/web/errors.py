"""How every failure is answered: with a status and a sentence, never with a stack trace.

Below /api/, and wherever the service itself can't do its part (503), that is `problem+json`
(RFC 9457). The older paths, /api/reports and below, keep the framework's small HTML pages for 404
and 405, as the older service answered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Response, request
from werkzeug.exceptions import HTTPException, InternalServerError, MethodNotAllowed

from coworking.errors import ServiceError
from coworking.web.edge import REASON
from coworking.web.problems import RETRY_AFTER, problem

if TYPE_CHECKING:
    from flask import Flask


def register(app: Flask) -> None:
    """Give the app its error handlers."""
    app.register_error_handler(ServiceError, unavailable)
    app.register_error_handler(HTTPException, refused)
    app.before_request(refuse_unclear_host)


def unavailable(error: ServiceError) -> Response:
    """503: this process can't answer now, and may soon.

    The sentence is the service's own. The driver's words name hosts and users, and stay here.
    """
    note(error)
    response = problem(503, str(error))
    response.headers["Retry-After"] = RETRY_AFTER
    response.headers["Cache-Control"] = "no-store"
    return response


def note(error: ServiceError) -> None:
    """Leave the reason of a failure, with what only we should see of it, for the log line."""
    request.environ[REASON] = "; ".join(filter(None, (str(error), error.hint)))


def refused(error: HTTPException) -> Response | HTTPException:
    """What the framework refused, and 500 for what nobody foresaw."""
    if isinstance(error, MethodNotAllowed) and error.valid_methods is not None:
        error.valid_methods = sorted(error.valid_methods)
    if isinstance(error, InternalServerError):
        request.environ[REASON] = "an unforeseen error; its traceback is in a line of its own"
    if not below_api():
        return error
    response = problem(error.code or 500, error.description or error.name)
    for name, value in error.get_headers(request.environ):
        if name != "Content-Type":
            response.headers[name] = value
    return response


def refuse_unclear_host() -> Response | None:
    """400 for HTTP/1.1 without a Host header, or with two (RFC 9112, 3.2).

    The server hands no header on as an empty one, and joins two by a comma, which no host has.
    """
    host = request.environ.get("HTTP_HOST", "")
    if (host and "," not in host) or request.environ.get("SERVER_PROTOCOL") != "HTTP/1.1":
        return None
    return problem(400, "The request needs one Host header, as HTTP/1.1 says.")


def below_api() -> bool:
    """Whether the present request is for /api/, where every failure is `problem+json`.

    Except below /api/reports, whose failures are as the older service answered them.
    """
    path = request.path + "/"
    return path.startswith("/api/") and not path.startswith("/api/reports/")
