"""The door: where access keys are set, a request needs one, by header or by a login's cookie.

`Authorization: Bearer KEY` (RFC 6750) is for programs. A header that is there decides alone,
whatever cookie comes with it. A key in the URL is never looked at: URLs end up in logs.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, NamedTuple

from flask import Response, request

from coworking.access import TOKEN
from coworking.web import EXTENSION, login, services, sessions
from coworking.web.edge import PRIVATE, REASON
from coworking.web.errors import below_api
from coworking.web.problems import problem

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment

    from flask import Flask

    from coworking.access import AccessKeys
    from coworking.web import Services

# What answers everybody: probes, the build, files that are the same in every copy, and the login.
OPEN = frozenset(
    {
        *("operations.health_check", "operations.readiness_check", "operations.version"),
        *("static", "openapi.asset", "login.to_login", "login.log_in", "login.log_out"),
    }
)
# Where a browser is shown the login; elsewhere a program is answered in a sentence.
PAGES = frozenset({"dashboard.dashboard", "openapi.readable"})
BEARER = re.compile(rf"[Bb][Ee][Aa][Rr][Ee][Rr] +({TOKEN.pattern})")


class NoEntry(NamedTuple):
    """Why a request may not enter: the status, the sentence, and RFC 6750's word for it."""

    status: int
    sentence: str
    error: str = ""


NO_KEY = NoEntry(
    401,
    "An access key is needed: send it in the header `Authorization: Bearer KEY`. In a browser, log "
    "in at / first.",
)
OTHER_SCHEME = NoEntry(
    401, "The header Authorization must have the scheme Bearer: `Authorization: Bearer KEY`."
)
NOT_VALID = NoEntry(401, "The access key is not valid.", "invalid_token")
MALFORMED = NoEntry(
    400,
    "The header Authorization can't be read: send it once, as `Authorization: Bearer KEY`.",
    "invalid_request",
)


def register(app: Flask) -> None:
    """Put the door before every endpoint. Where no file for keys is set, no request pays for it."""
    app.register_blueprint(login.blueprint)
    shared = app.extensions[EXTENSION]
    if shared.config.access_key_file is not None:
        app.before_request(functools.partial(_guard, shared.keys))


def refusal() -> NoEntry | None:
    """Why the present request may not enter a closed door; None if it has a key or a session."""
    return _refusal(services().keys, request.environ)


def may_enter(of: Services, environ: WSGIEnvironment) -> bool:
    """Whether a request to an app with these services has what a closed door asks for."""
    header = environ.get("HTTP_AUTHORIZATION")
    if header is None:
        return sessions.has_session(of, environ)
    found = BEARER.fullmatch(header)
    return found is not None and of.keys.opens(found[1])


def _refusal(keys: AccessKeys, environ: WSGIEnvironment) -> NoEntry | None:
    header = environ.get("HTTP_AUTHORIZATION")
    if header is None:
        return None if sessions.logged_in() else NO_KEY
    found = BEARER.fullmatch(header)
    if found:
        return None if keys.opens(found[1]) else NOT_VALID
    scheme = header.partition(" ")[0].lower()
    return OTHER_SCHEME if scheme.isalnum() and scheme != "bearer" else MALFORMED


def _guard(keys: AccessKeys) -> Response | None:
    """Refuse a request that needs a key and has none. Unknown paths need one too.

    What a key opened is marked, so that no cache that others share keeps it.
    """
    here = request._get_current_object()  # type: ignore[attr-defined]  # once: a proxy is slow
    if here.endpoint in OPEN or not keys.closed:
        return None
    here.environ[PRIVATE] = True
    found = _refusal(keys, here.environ)
    return None if found is None else refused(found)


def refused(found: NoEntry) -> Response:
    """The answer to a request that may not enter."""
    request.environ[REASON] = found.sentence
    if found is NO_KEY and request.endpoint in PAGES:
        response = login.login_page(request.full_path.removesuffix("?"))
    elif below_api():
        response = problem(found.status, found.sentence)
    else:
        response = Response(found.sentence + "\n", found.status, mimetype="text/plain")
    error = f', error="{found.error}"' if found.error else ""
    response.headers["WWW-Authenticate"] = login.CHALLENGE + error
    response.headers["Cache-Control"] = "no-store"
    return response
