"""What the service answers over HTTP: a module for each endpoint or small family of them.

`register(app)` is the one place that lists them. A view reaches what it needs by `services()`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from flask import current_app

if TYPE_CHECKING:
    from flask_openapi3 import OpenAPI

    from coworking.config import Config
    from coworking.database import Database
    from coworking.freshness import Freshness
    from coworking.metrics import Metrics

EXTENSION = "coworking"


@dataclass(frozen=True)
class Services:
    """What the views of one app share."""

    config: Config
    database: Database
    freshness: Freshness
    metrics: Metrics


def services() -> Services:
    """The present app's services."""
    return cast("Services", current_app.extensions[EXTENSION])


def register(app: OpenAPI) -> None:
    """Give the app its endpoints."""
    from coworking.web import (  # noqa: PLC0415 (they import `services`)
        older_api,
        openapi,
        operations,
        v1,
    )

    openapi.describe(app)
    app.register_api(v1.blueprint)
    app.register_blueprint(older_api.blueprint)
    app.register_blueprint(operations.blueprint)
