"""The Flask application, made by `create_app(config)`; importing this starts nothing.

app = create_app(Config.read())
app.test_client().get("/health_check")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import request
from flask_openapi3 import OpenAPI

from coworking.access import AccessKeys
from coworking.database import Database
from coworking.freshness import Freshness
from coworking.kept import Kept
from coworking.lanes import PATIENCE, Lanes
from coworking.logs import LOGGER
from coworking.metrics import Metrics
from coworking.turns import TurnsByKey
from coworking.web import EXTENSION, Services, register
from coworking.web.edge import REQUEST_ID, Edge, WholeResponse, note_route
from coworking.web.full import Full

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Response

    from coworking.config import Config


PAGES_BYTES = 3_000_000  # of rendered pages, beside what REPORT_KEEP_MB bounds
REFUSALS_BYTES = 200_000


class App(OpenAPI):
    """Flask with typed handlers, and answers and log lines that are the same every time."""

    response_class = WholeResponse

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """The function itself: none of ours is asynchronous, and asking each costs up to 5 µs."""
        return func

    def make_default_options_response(self) -> Response:
        """The methods in order; the framework lists them as a set comes."""
        response: Response = super().make_default_options_response()
        response.headers["Allow"] = ", ".join(sorted(response.allow))
        return response

    def log_exception(self, exc_info: Any) -> None:
        """One line that holds the traceback and the request's id, and not the URL."""
        fields = {"request_id": request.environ.get(REQUEST_ID)}
        LOGGER.error("unforeseen error", exc_info=exc_info, extra={"fields": fields})


def create_app(config: Config, *, stopping: Callable[[], bool] = lambda: False) -> App:
    """The service on the database that `config` names; nothing connects before a request.

    Its services are `app.extensions["coworking"]` (`coworking.web.Services`).

    Args:
        config: the settings.
        stopping: whether the process was told to stop; readiness then answers 503.
    """
    app = App("coworking", doc_ui=False, static_folder=None, template_folder="templates")
    database = Database(config)
    keys = AccessKeys(config.access_key_file)
    lanes = Lanes(threads=config.web_threads, pool=config.db_pool_size)
    services = Services(
        config=config,
        keys=keys,
        database=database,
        freshness=Freshness(
            database,
            lanes,
            max_age=config.report_max_age,
            keep_bytes=config.report_keep_mb * 1_000_000,
        ),
        metrics=Metrics(keys, build=config.build, commit=config.commit),
        stopping=stopping,
        lanes=lanes,
        pages=Kept(most_bytes=PAGES_BYTES),
        renders=TurnsByKey(within=PATIENCE),
        refusals=Kept(most_bytes=REFUSALS_BYTES),
    )
    _watch(services)
    app.extensions[EXTENSION] = services
    register(app)
    app.after_request(note_route)
    app.wsgi_app = Edge(  # type: ignore[method-assign]  # as Flask's documentation says
        app.wsgi_app, services.metrics, stopping, Full(services, app.url_map.iter_rules())
    )
    return app


def _watch(services: Services) -> None:
    """Give figures of what is built and kept."""
    kept, lanes, watch = services.freshness.kept, services.lanes, services.metrics.watch
    watch("builds", "Reports and pages that are made at this moment.", lambda: lanes.working)
    watch("kept_answers", "Answers that are kept until the data change.", lambda: len(kept))
    watch("kept_bytes", "Bytes of memory that they take.", lambda: kept.nbytes)
