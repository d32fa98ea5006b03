"""POST /login and /logout: a browser's session for an access key.

The login page has no address of its own: it is the answer, with status 401, to whoever asks for a
page without a key. So nothing has to be found again after the login, and status 401 means the same
everywhere.

These two forms need no CSRF token. An attacker who makes a browser log in gains nothing, because a
session doesn't say whose it is. A logout that another site causes comes without the cookie
(SameSite=Lax), and changes nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from flask import Blueprint, redirect, request, url_for

from coworking.web import services, sessions
from coworking.web.edge import REASON
from coworking.web.pages import frame, page

if TYPE_CHECKING:
    from flask import Response
    from werkzeug.wrappers import Response as AnyResponse

CHALLENGE = 'Bearer realm="coworking"'
LONGEST_FORM = 10_000  # bytes
# A browser reads `//host` and `/\host` as another host.
LOCAL = re.compile(r"/(?![/\\])[!-~]*")
NOT_VALID = "This is not a valid access key. Ask the person who runs the service for one."

blueprint = Blueprint("login", __name__)


def login_page(goal: str, problem: str = "") -> Response:
    """The login page, as the answer to a request without a key; `goal` is the path to go on to."""
    picked = dict(parse_qsl(urlsplit(goal).query))
    response = page("login.html", {**frame(picked), "goal": goal, "problem": problem}, 401)
    response.headers["WWW-Authenticate"] = CHALLENGE
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.get("/login")
def to_login() -> AnyResponse:
    """For who types the address by hand, or reloads after a wrong key."""
    return redirect(url_for("dashboard.dashboard"), 303)


@blueprint.post("/login")
def log_in() -> AnyResponse:
    """Start a session with the key of the form, and go on to where its owner wanted to go."""
    request.max_content_length = LONGEST_FORM
    goal = request.form.get("goal", "")
    if not LOCAL.fullmatch(goal):
        goal = url_for("dashboard.dashboard")
    keys = services().keys
    session = keys.log_in(request.form.get("key", "").strip())
    if session is None and keys.closed:
        request.environ[REASON] = "a login with a text that is not an access key"
        return login_page(goal, NOT_VALID)
    response = redirect(goal, 303)
    response.headers["Cache-Control"] = "no-store"
    if session is not None:
        sessions.start(response, session)
    return response


@blueprint.post("/logout")
def log_out() -> AnyResponse:
    """End the session of a request that has one."""
    response = redirect(url_for("dashboard.dashboard"), 303)
    response.headers["Cache-Control"] = "no-store"
    if sessions.logged_in():
        sessions.end(response)
    return response
