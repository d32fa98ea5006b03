"""The service with three routes more: a constant, a `SELECT 1`, and the reports as they were.

    DB_HOST=... python -m bench.server

The server, its settings and its middleware are the service's own, so that the figures of all
routes differ by what the routes do alone.
"""

from __future__ import annotations

import functools
import multiprocessing
import os
from typing import TYPE_CHECKING

from flask import Response, jsonify
from sqlalchemy import create_engine, text

from coworking import logs
from coworking.config import Config
from coworking.serve import Stoppable, worker_app

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import Synchronized
    from pathlib import Path

    from coworking.app import App

# One query over all tokens at each request, as the older service asked it.
OLD_DAILY_USAGE = text("""
    SELECT date(created_at) AS day, count(*) AS visits
    FROM tokens WHERE used_at IS NOT NULL GROUP BY date(created_at)
""")
OLD_USER_VISITS = text("""
    SELECT visits.user_id, visits.n, users.joined_at
    FROM (SELECT user_id, count(*) AS n FROM tokens GROUP BY user_id) AS visits
    LEFT JOIN users ON users.id = visits.user_id
""")


def bench_app(config: Config, stopping: Synchronized[int], parent: int, figures: Path) -> App:
    """The service's app with the routes to compare it with."""
    app = worker_app(config, stopping, parent, figures)
    database = app.extensions["coworking"].database
    autocommit = database.engine.execution_options(isolation_level="AUTOCOMMIT")
    # A pool of its own, as large as the load: the older service's requests only wait for answers.
    old = create_engine("postgresql+psycopg2://", creator=database.connect, pool_size=16)

    @app.get("/bench/constant")
    def constant() -> Response:
        return Response("ok")

    @app.get("/bench/select_1")
    def select_1() -> Response:
        with autocommit.connect() as connection:
            connection.exec_driver_sql("SELECT 1").scalar_one()
        return Response("ok")

    @app.get("/bench/old/daily_usage")
    def old_daily_usage() -> Response:
        with old.connect() as connection:
            rows = connection.execute(OLD_DAILY_USAGE).all()
        return jsonify({str(row.day): row.visits for row in rows})

    @app.get("/bench/old/user_visits")
    def old_user_visits() -> Response:
        with old.connect() as connection:
            rows = connection.execute(OLD_USER_VISITS).all()
        return jsonify(
            {str(row.user_id): {"visits": row.n, "joined_at": str(row.joined_at)} for row in rows}
        )

    return app


def main() -> None:
    """Serve until a signal comes."""
    config = Config.read()
    logs.configure(config.log_level)
    stopping = multiprocessing.Value("b", 0, lock=False)
    server = Stoppable(config, stopping)
    server.serve(
        target_loader=functools.partial(bench_app, config, stopping, os.getpid(), server.figures),
        wrap_loader=False,
    )


if __name__ == "__main__":
    main()
