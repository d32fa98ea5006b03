"""The Flask application, made by `create_app(config)`; importing this starts nothing.

app = create_app(Config.read())
app.test_client().get("/health_check")
"""

from __future__ import annotations

from flask_openapi3 import Info, OpenAPI

from coworking import __version__
from coworking.config import Config
from coworking.database import Database
from coworking.freshness import Freshness
from coworking.metrics import Metrics
from coworking.web import EXTENSION, Services, register
from coworking.web.edge import Edge, WholeResponse


def create_app(config: Config) -> OpenAPI:
    """The service on the database that `config` names; nothing connects before a request.

    Its services are `app.extensions["coworking"]` (`coworking.web.Services`).
    """
    app = OpenAPI(
        "coworking",
        info=Info(title="Coworking analytics", version=__version__),
        doc_ui=False,
        static_folder="static",
        template_folder="templates",
    )
    app.response_class = WholeResponse
    database = Database(config)
    services = Services(
        config=config,
        database=database,
        freshness=Freshness(
            database, max_age=config.report_max_age, keep_bytes=config.report_keep_mb * 1_000_000
        ),
        metrics=Metrics(build=config.build, commit=config.commit),
    )
    app.extensions[EXTENSION] = services
    register(app)
    app.wsgi_app = Edge(app.wsgi_app, services.metrics)  # type: ignore[method-assign]
    return app
