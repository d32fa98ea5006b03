"""HTML pages: rendered from a template, under a policy that allows no other host."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from flask import render_template, url_for

from coworking.web import services, sessions
from coworking.web.bodies import Body

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask import Response

# What the address of a page may say, and the colours that it may ask for.
PARAMETERS = ("from", "through", "to", "days", "range", "tz", "by", "compare", "at", "theme")
DATES = ("from", "through", "to", "days", "range")  # those of them that say which dates
THEMES = ("auto", "light", "dark")
# No inline script or style: what is in a page's text can't run, wherever it came from.
POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}


def _policy(directives: Mapping[str, str]) -> str:
    return "; ".join(f"{name} {value}" for name, value in directives.items())


CONTENT_SECURITY_POLICY = _policy(POLICY)


def page(
    template: str,
    context: Mapping[str, object] | None = None,
    status: int = 200,
    *,
    policy: Mapping[str, str] | None = None,
) -> Response:
    """Render a template as the answer to the present request.

    Args:
        template: its file's name.
        context: what the template is given.
        status: of the answer.
        policy: directives that differ from POLICY.
    """
    return answered(rendered(template, context), status, policy=policy)


def rendered(template: str, context: Mapping[str, object] | None = None) -> Body:
    """A page that may be the answer to several requests."""
    html = render_template(template, **(context or {}))
    return Body(html.encode(), "text/html; charset=utf-8")


def answered(body: Body, status: int = 200, *, policy: Mapping[str, str] | None = None) -> Response:
    """The present request's answer, with a policy as `page` says."""
    response = body.response(status)
    said = _policy({**POLICY, **policy}) if policy else CONTENT_SECURITY_POLICY
    response.headers["Content-Security-Policy"] = said
    return response


def address(picked: Mapping[str, str], **changes: str | None) -> str:
    """The dashboard's address with these parameters, some of them changed or, by None, left out."""
    kept = {**{name: picked.get(name) for name in PARAMETERS}, **changes}
    query = urlencode({name: value for name, value in kept.items() if value}, safe="/")
    return url_for("dashboard.dashboard") + (f"?{query}" if query else "")


def frame(picked: Mapping[str, str]) -> dict[str, object]:
    """What the header of every page needs.

    Args:
        picked: the parameters of the page's address; the links keep them.
    """

    return {
        "link": functools.partial(address, picked),
        "place": services().config.place_name,
        "themes": THEMES,
        "fresh": dict.fromkeys((*DATES, "by", "at"), None),
        "theme": picked.get("theme") if picked.get("theme") in THEMES else "auto",
        "logged_in": services().keys.closed and sessions.logged_in(),
    }
