"""How every failure is answered: with a status and a sentence, never with a stack trace.

Below /api/v1, and wherever the service itself can't do its part (503), that is `problem+json`
(RFC 9457). The older paths keep the framework's small HTML pages for 404 and 405, as the older
service answered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Response, request
from werkzeug.exceptions import HTTPException, InternalServerError, MethodNotAllowed

from coworking.errors import ServiceError
from coworking.web.edge import REASON
from coworking.web.problems import problem

if TYPE_CHECKING:
    from flask import Flask

RETRY_AFTER = "1"  # seconds; a database that comes back is noticed by the next request


def register(app: Flask) -> None:
    """Give the app its error handlers."""
    app.register_error_handler(ServiceError, unavailable)
    app.register_error_handler(HTTPException, refused)


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
    if not below_v1():
        return error
    response = problem(error.code or 500, error.description or error.name)
    for name, value in error.get_headers(request.environ):
        if name != "Content-Type":
            response.headers[name] = value
    return response


def below_v1() -> bool:
    """Whether the present request is for /api/v1, where every failure is `problem+json`."""
    return (request.path + "/").startswith("/api/v1/")
