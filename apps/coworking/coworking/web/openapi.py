"""The OpenAPI 3.1 document at /openapi.json, made from the handlers, and its page for people."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import flask_openapi3_swagger
from flask import Blueprint, Response, current_app, request
from flask_openapi3 import Info
from werkzeug.exceptions import NotFound

from coworking import __version__
from coworking.web import assets, openapi_door, services
from coworking.web.bodies import Body
from coworking.web.openapi_untyped import UNTYPED
from coworking.web.pages import page
from coworking.web.problems import ProblemDetails
from coworking.web.v1.queries import explained, query_named

if TYPE_CHECKING:
    from flask_openapi3 import OpenAPI
    from pydantic import ValidationError

DESCRIPTION = """\
Reports on the check-ins of a coworking space. A check-in is a token being used. Ranges of dates
are half-open: `to` is the first date left out. The answers hold counts and ids, never a name. Where
the operator has set access keys, each request but the probes needs one, as `Authorization: Bearer`.

The reports under `/api/reports` are the older ones and stay as they are; new questions go to
`/api/v1`.
"""
SWAGGER = Path(str(files(flask_openapi3_swagger))) / "templates" / "swagger"

blueprint = Blueprint("openapi", __name__)


def describe(app: OpenAPI) -> None:
    """Give the app its document's texts, and the way it answers a query that can't be used."""
    app.info = Info(title="Coworking reports", version=__version__, description=DESCRIPTION)
    app.security_schemes = openapi_door.SCHEMES
    app.validation_error_status = "400"
    app.validation_error_model = ProblemDetails
    app.validation_error_callback = _refuse
    app.register_blueprint(blueprint)


def document(app: OpenAPI, *, closed: bool) -> dict[str, object]:
    """The whole document: the typed handlers, and the plain ones as UNTYPED describes them.

    Args:
        app: what it describes.
        closed: whether an access key is needed.
    """
    made: dict[str, object] = dict(app.api_doc)
    paths = {**UNTYPED, **app.api_doc["paths"]}
    made["servers"] = [{"url": request.script_root or "/"}]
    return {**made, **(openapi_door.closed(paths) if closed else openapi_door.opened(paths))}


@blueprint.get("/openapi.json")
def openapi_json() -> Response:
    """The OpenAPI document."""
    found = document(
        current_app,  # type: ignore[arg-type]  # the app is an OpenAPI
        closed=services().keys.closed,
    )
    text = json.dumps(found, ensure_ascii=False, separators=(",", ":"))
    return Body(text.encode() + b"\n", "application/json").response()


@blueprint.get("/openapi/", strict_slashes=False)  # a redirect's host is wrong behind a proxy
def readable() -> Response:
    """The document as a page; it loads nothing from another host."""
    # Swagger UI sets style attributes, and its style sheet has pictures in data URLs.
    inline = {"style-src": "'self' 'unsafe-inline'", "img-src": "'self' data:"}
    return page("openapi.html", policy=inline)


@blueprint.get("/openapi/swagger/<path:name>")
def asset(name: str) -> Response:
    """Swagger UI's own files, from its package."""
    file = SWAGGER / name
    if file not in SWAGGER.rglob("*") or not file.is_file():
        raise NotFound
    response = assets.body(file).response()
    response.headers["Cache-Control"] = "max-age=86400"
    return response


def _refuse(error: ValidationError) -> NoReturn:
    raise explained(error, query_named(error.title))
