"""The cookie of a browser that has logged in: its name, how it is set, whether it counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import request
from werkzeug.sansio.http import parse_cookie

from coworking.access import SESSION_SECONDS
from coworking.web import services

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment

    from werkzeug.wrappers import Response

    from coworking.web import Services


def _name(of: Services) -> str:
    """With the prefix, browsers take it by HTTPS and from this host alone (RFC 6265bis, 4.1.3)."""
    return "__Host-coworking" if of.config.cookie_secure else "coworking"


def logged_in() -> bool:
    """Whether a key is needed and the present request has the cookie of a session that counts."""
    return has_session(services(), request.environ)


def has_session(of: Services, environ: WSGIEnvironment) -> bool:
    """The same of any request to an app with these services."""
    cookie = parse_cookie(environ.get("HTTP_COOKIE", "")).get(_name(of))
    return cookie is not None and of.keys.knows(cookie)


def start(response: Response, session: str) -> None:
    """Give the browser a session, as `AccessKeys.log_in` made it."""
    response.set_cookie(
        _name(services()),
        session,
        max_age=SESSION_SECONDS,
        secure=services().config.cookie_secure,
        httponly=True,
        samesite="Lax",
    )


def end(response: Response) -> None:
    """Take the session from the browser."""
    response.delete_cookie(
        _name(services()), secure=services().config.cookie_secure, httponly=True, samesite="Lax"
    )
