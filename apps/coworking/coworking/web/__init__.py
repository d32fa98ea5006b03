"""What the service answers over HTTP: a module for each endpoint or small family of them.

`register(app)` is the one place that lists them. A view reaches what it needs by `services()`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from flask import current_app

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from flask_openapi3 import OpenAPI

    from coworking.access import AccessKeys
    from coworking.config import Config
    from coworking.database import Database
    from coworking.freshness import Freshness
    from coworking.kept import Kept
    from coworking.lanes import Lanes
    from coworking.metrics import Metrics
    from coworking.turns import TurnsByKey
    from coworking.web.bodies import Body

EXTENSION = "coworking"


@dataclass(frozen=True)
class Services:
    """What the views of one app share.

    Attributes:
        stopping: whether the process was told to stop.
        lanes: how many requests may do what takes long.
        pages: rendered dashboards, each for all who ask the same within a second.
        renders: one rendering at a time of each of them.
        refusals: pages that say that the dashboard can't be read now.
    """

    config: Config
    keys: AccessKeys
    database: Database
    freshness: Freshness
    metrics: Metrics
    stopping: Callable[[], bool]
    lanes: Lanes
    pages: Kept[Hashable, Body]
    renders: TurnsByKey
    refusals: Kept[Hashable, Body]

    def close(self) -> None:
        """Close every connection."""
        self.freshness.close()
        self.database.close()


def services() -> Services:
    """The present app's services."""
    return cast("Services", current_app.extensions[EXTENSION])


def register(app: OpenAPI) -> None:
    """Give the app its endpoints."""
    # They import `services` from here.
    from coworking.web import (  # noqa: PLC0415
        assets,
        dashboard,
        door,
        errors,
        older_api,
        openapi,
        operations,
        v1,
    )

    errors.register(app)
    assets.register(app)
    door.register(app)
    openapi.describe(app)
    app.register_blueprint(older_api.blueprint)
    app.register_blueprint(operations.blueprint)
    app.register_api(v1.blueprint)
    app.register_blueprint(dashboard.blueprint)
