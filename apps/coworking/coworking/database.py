"""The way to PostgreSQL: a bounded pool, limits on every wait, the password as it is now.

    database = Database(Config.read())
    database.read(text("SELECT now()"), lambda connection, row: row[0])

Commands that may take long (migrate, fold, rebuild, seed) say `Database(config, patient=True)`.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg2
from sqlalchemy import Connection, create_engine, exc
from sqlalchemy.pool import QueuePool

from coworking import tls
from coworking.deadlines import Deadlines
from coworking.errors import (
    ConfigError,
    DatabaseAway,
    DatabaseUntrusted,
    SchemaTooOld,
    ServiceError,
)
from coworking.passwords import Passwords

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from psycopg2.extensions import connection as RawConnection  # noqa: N812 (a class)
    from sqlalchemy import TextClause

    from coworking.config import Config

T = TypeVar("T")

# libpq takes whole seconds and no less than two; the request itself waits only `db_check_timeout`.
CONNECT_TIMEOUT = 2
MISSING = (
    psycopg2.errors.UndefinedTable,
    psycopg2.errors.UndefinedColumn,
    psycopg2.errors.UndefinedFunction,
)


class Database:
    """The connections of one process to its database; nothing is opened before the first use.

    Args:
        config: where the database is, and the limits.
        patient: no limit on a statement's time, for commands that are not requests.

    Attributes:
        engine: SQLAlchemy's, with at most `db_pool_size` connections.
        deadlines: limits on waits that PostgreSQL itself can't keep.
        passwords: what a login is tried with.
    """

    def __init__(self, config: Config, *, patient: bool = False) -> None:
        self.config = config
        self.deadlines = Deadlines()
        self.passwords = Passwords(config)
        self._patient = patient
        self.engine = create_engine(
            "postgresql+psycopg2://",
            creator=self.connect,
            poolclass=QueuePool,
            pool_size=config.db_pool_size,
            max_overflow=0,
            pool_timeout=config.db_check_timeout,
            hide_parameters=True,  # an error's text goes to the log, and values are data
            pool_use_lifo=True,  # the connections that a quiet hour doesn't need stay unused
        )
        self._snapshots = self.engine.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )

    def connect(self, within: float | None = None) -> RawConnection:
        """A new connection outside the pool.

        The password is read from its file here, so each new connection uses the present one; while
        another is announced, a refused login is tried with the other one.

        Args:
            within: seconds until DatabaseAway is raised; by default `db_check_timeout`.

        Raises:
            DatabaseAway: refused, unreachable, or no answer in time; or, for a request, the
                password's file can't be read.
            ConfigError: the password's file can't be read, and the caller is patient.
        """
        if self._patient:
            return self._opened()
        limit = self.config.db_check_timeout if within is None else max(0.0, within)
        # libpq can't be interrupted while it connects, so another thread waits for it.
        result: queue.SimpleQueue[RawConnection | Exception] = queue.SimpleQueue()
        given_up = threading.Event()
        opener = threading.Thread(
            target=self._open_into, args=(result, given_up), name="connect", daemon=True
        )
        opener.start()
        try:
            opened = result.get(timeout=limit)
        except queue.Empty:
            given_up.set()
            with contextlib.suppress(queue.Empty):  # it came at the last moment
                _close_quietly(result.get_nowait())
            raise DatabaseAway(f"no answer from the database within {limit:.3g} s") from None
        if isinstance(opened, ConfigError):
            raise DatabaseAway("the database's password can't be read", hint=str(opened)) from None
        if isinstance(opened, Exception):
            raise opened
        return opened

    def _open_into(
        self,
        result: queue.SimpleQueue[RawConnection | Exception],
        given_up: threading.Event,
    ) -> None:
        try:
            opened: RawConnection | Exception = self._opened()
        except (DatabaseAway, ConfigError) as error:
            opened = error
        if given_up.is_set():
            _close_quietly(opened)
        else:
            result.put(opened)

    def connect_with(self, password: str | None) -> RawConnection:
        """A new connection with this password alone; the driver's own error if it is refused."""
        opened: RawConnection = psycopg2.connect(password=password, **self._arguments())
        return opened

    def _opened(self) -> RawConnection:
        try:
            return self.passwords.log_in(self.connect_with)
        except psycopg2.OperationalError as error:
            if refusal := tls.refusal(error, self.config):
                raise DatabaseUntrusted(refusal[0], hint=refusal[1]) from None
            hint = _first_line(error)
            raise DatabaseAway("the database can't be reached", hint=hint) from None

    def _arguments(self) -> dict[str, Any]:
        config = self.config
        limit = 0 if self._patient else round(config.db_statement_timeout * 1000)
        return {
            "host": config.db_host,
            "port": config.db_port,
            "user": config.db_username,
            "dbname": config.db_name,
            "application_name": self.passwords.session_name(),
            "sslmode": config.db_sslmode,
            "sslrootcert": config.db_sslrootcert,
            "connect_timeout": CONNECT_TIMEOUT,
            # A peer that vanished without a word is noticed in about 25 s when nothing is sent,
            # and in 10 s when something was.
            "keepalives": 1,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 10_000,
            # Compiling a report (jit) takes longer than running it.
            "options": f"-c statement_timeout={limit} -c TimeZone=UTC -c DateStyle=ISO -c jit=off",
        }

    def read(self, first: TextClause, question: Callable[[Connection, tuple[Any, ...]], T]) -> T:
        """Ask inside one REPEATABLE READ, READ ONLY transaction: one snapshot for all of it.

        The question is asked a second time when the first attempt found its pooled connection
        closed, which is how a connection learns that the server was restarted.

        Args:
            first: a short statement of one row. A pooled connection may have become silent since
                it was used last, so this one waits no longer than `db_check_timeout`.
            question: is given the connection and that row; what it returns must not depend on the
                connection.

        Raises:
            DatabaseAway: no free connection, no answer in time, or the connection was lost.
        """
        began = time.monotonic()
        try:
            with self.snapshot(first) as (connection, row):
                return question(connection, row)
        except Disconnected:
            # A connection that was closed long ago says so at once; one that was lost after a
            # while may be lost again, and the caller has waited enough.
            if time.monotonic() - began > self.config.db_check_timeout / 2:
                raise
            with self.snapshot(first) as (connection, row):
                return question(connection, row)

    @contextlib.contextmanager
    def snapshot(self, first: TextClause) -> Iterator[tuple[Connection, tuple[Any, ...]]]:
        """A pooled connection in a REPEATABLE READ, READ ONLY transaction, and its first row."""
        # The server ends a late statement by itself; a second later it is the server that is late.
        limit = self.config.db_statement_timeout + 1
        with translated(), self._snapshots.connect() as connection:
            raw = connection.connection.driver_connection
            if raw is None:
                raise DatabaseAway("the connection was closed")
            with self.deadlines.guard(raw, limit):
                with self.deadlines.guard(raw, self.config.db_check_timeout):
                    row = tuple(connection.execute(first).one())
                yield connection, row
                connection.rollback()

    def give_up_waits(self, before: float) -> None:
        """End what has waited for the database since a moment before `before` (monotonic)."""
        self.deadlines.expire(before)

    def forget_connections(self) -> None:
        """Close the pool's idle connections; those in use are closed when they come back."""
        self.engine.dispose()

    def close(self) -> None:
        """Close everything that is idle, at the end of the process."""
        self.engine.dispose()


class Disconnected(DatabaseAway):
    """The connection broke while it was used."""


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turn errors about the connection, or a missing table, into the service's own.

    Raises:
        DatabaseAway: no free connection, a statement that took too long, a lost connection, a
            server that only reads.
        SchemaTooOld: a statement names what the database doesn't have.
        ServiceError: the user may not do this.
    """
    try:
        yield
    except exc.TimeoutError:
        raise DatabaseAway("every database connection of this process is in use") from None
    except exc.DBAPIError as error:
        _raise_own(error.orig, lost=error.connection_invalidated)
        raise
    except psycopg2.Error as error:
        lost = isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError)
        _raise_own(error, lost=lost)
        raise


def _raise_own(cause: BaseException | None, *, lost: bool) -> None:
    """Raise the service's own error for the driver's; return if there is none."""
    if isinstance(cause, psycopg2.errors.QueryCanceled):
        raise DatabaseAway("the database took too long over a statement and ended it") from cause
    if isinstance(cause, MISSING):
        raise SchemaTooOld(
            "the database's schema lacks what this build needs",
            hint=f"Run `coworking migrate` with the same settings. {_first_line(cause)}",
        ) from cause
    if isinstance(cause, psycopg2.errors.ReadOnlySqlTransaction):
        raise DatabaseAway("the database takes no writes", hint=_first_line(cause)) from cause
    if isinstance(cause, psycopg2.errors.InsufficientPrivilege):
        raise ServiceError(
            "the database's user lacks a right that this needs",
            hint=f"Grant it to the user of DB_USERNAME. {_first_line(cause)}",
        ) from cause
    if lost:
        hint = _first_line(cause)
        raise Disconnected("the database closed the connection", hint=hint) from cause
    if isinstance(cause, psycopg2.OperationalError):
        raise DatabaseAway("the database can't answer", hint=_first_line(cause)) from cause


def _close_quietly(opened: RawConnection | Exception) -> None:
    if not isinstance(opened, Exception):
        opened.close()


def _first_line(error: BaseException | None) -> str:
    """What the driver says, in one line; it names host and user, never a password."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else "the database closed the connection"
