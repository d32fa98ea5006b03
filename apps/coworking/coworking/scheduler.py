"""The fold every FOLD_SECONDS, in exactly one process of however many replicas there are.

A session-level advisory lock decides which process folds; it is held on a connection of its own.
The lock ends with the process or its connection, and at its next tick another process takes it. If
two processes believe for a moment that they hold it (a server that came back), the fold's own lock
lets only one of them fold.
"""

from __future__ import annotations

import contextlib
import dataclasses
from time import monotonic
from typing import TYPE_CHECKING

import psycopg2
from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy import exc, text

from coworking import logs, rollups
from coworking.checks import DataFigures, RollupChecks
from coworking.database import Database, translated
from coworking.errors import ServiceError
from coworking.older_reports import DAY

if TYPE_CHECKING:
    from psycopg2.extensions import connection as RawConnection  # noqa: N812 (a class)

    from coworking.config import Config

LEADER = 7_305_871_104_112_837_001  # an arbitrary number; only replicas of this service use it
STOPPED_SECONDS = 300.0  # a fold that fails for so long has stopped
NEWEST_DAY = text(
    f"SELECT {DAY}, visits FROM public.exact_daily_visits ORDER BY day DESC LIMIT 1"  # noqa: S608 (a constant)
)


class Folding:
    """The schedule of one process; nothing runs before `start`.

    Attributes:
        watched: figures about the data, for Prometheus; every process reads them at its tick.
    """

    def __init__(self, config: Config) -> None:
        # One connection folds; the leader's is outside the pool.
        self._database = Database(config.model_copy(update={"db_pool_size": 1}), patient=True)
        self._seconds = config.fold_seconds
        self._scheduler = BackgroundScheduler(daemon=True)
        self._leading: RawConnection | None = None
        self._problem = ""
        self._failing_since: float | None = None
        self._logged = 0.0
        self._fault: str | None = None
        self._checks = RollupChecks(config.fold_seconds)
        self.watched = DataFigures()

    def start(self) -> None:
        """Fold now and then every FOLD_SECONDS; a tick that is late is not made up for."""
        self._scheduler.add_job(
            self.tick, "interval", seconds=self._seconds, max_instances=1, coalesce=True
        )
        self._scheduler.start()

    def stop(self) -> None:
        """Start no other fold, and leave the lock to another process; don't wait for a fold."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
        self._step_down()

    def tick(self) -> None:
        """Fold if this process leads, and log the newest day's report in one line."""
        try:
            if self._leads():
                self._check()
                self._fold()
                self.watched.folds(here=True)
            else:
                self.watched.folds(here=False)
            with translated():
                self.watched.read(self._database.engine)
            self._problem = ""
            self._failing_since = None
        except (ServiceError, exc.SQLAlchemyError, psycopg2.Error) as error:
            self.watched.away()
            self._step_down()
            self._database.forget_connections()  # they may be as dead as the one that failed
            self._report(error)

    def _leads(self) -> bool:
        """Whether this process holds the lock, or just got it."""
        if self._leading is not None:
            with translated():
                _first(self._leading, "SELECT 1")
            return True
        connection = self._database.connect()
        connection.autocommit = True
        with translated():
            got = _first(connection, f"SELECT pg_try_advisory_lock({LEADER})")
        if not got:
            connection.close()
            return False
        self._leading = connection
        logs.info("this process folds from now on")
        return True

    def _check(self) -> None:
        """Check the rollups a part further; log what is wrong when it is found and when it ends."""
        with translated():
            fault = self._checks.look(self._database.engine)
        if fault and fault != self._fault:
            logs.error("writes have bypassed the rollups; run `coworking rebuild`", reason=fault)
        elif self._fault and not fault:
            logs.info("the rollups equal the tokens again")
        self._fault = fault

    def _fold(self) -> None:
        with translated():
            result = rollups.fold(self._database.engine)
            with self._database.engine.connect() as connection:
                newest = connection.execute(NEWEST_DAY).one_or_none()
        logs.info(
            "daily_usage",
            report={} if newest is None else {newest[0]: newest[1]},
            fold=dataclasses.asdict(result),
        )

    def _step_down(self) -> None:
        leading, self._leading = self._leading, None
        if leading is not None:
            with contextlib.suppress(psycopg2.Error):
                leading.close()

    def _report(self, error: Exception) -> None:
        """Log a problem once, and while it lasts as an error every STOPPED_SECONDS."""
        hint = error.hint if isinstance(error, ServiceError) else ""
        problem = "; ".join(filter(None, (str(error), hint)))
        now = monotonic()
        if self._failing_since is None:
            self._failing_since = self._logged = now
        if now - self._logged >= STOPPED_SECONDS:
            logs.error(
                "the fold has stopped; reports stay exact and become slow",
                reason=problem,
                seconds=round(now - self._failing_since),
            )
            self._logged = now
        elif problem != self._problem:
            logs.warning("the fold did not run; it is tried again", reason=problem)
        self._problem = problem


def _first(connection: RawConnection, question: str) -> object:
    with connection.cursor() as cursor:
        cursor.execute(question)
        row = cursor.fetchone()
    return None if row is None else row[0]
