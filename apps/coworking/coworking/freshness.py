"""Answers that are kept until the data changes, and the one question that shows whether it has.

    freshness = Freshness(database, lanes, max_age=0, keep_bytes=24_000_000)
    answer = freshness.answer("daily_usage", build)   # build(connection) -> Body
    answer.body, answer.header

**The version of the data** is the text of `pg_current_snapshot()`, with the server's start time and
the number of the connection that asked. If two snapshots have equal texts `xmin:xmax:xip`, every
query gives the same rows under both:

1.  A snapshot sees exactly the transactions with an id below xmax that are not in xip and that
    committed. Equal texts therefore mean: the same set T of transactions had ended.
2.  Whether a transaction of T committed or was rolled back never changes after its end. So both
    see the same committed transactions, and rows are visible by nothing else (a reader of its own
    changes aside; the readers here write nothing).
3.  A subtransaction is not in xip, but it counts only when its top-level transaction has
    committed, and that one has a smaller id and is in xip until it ends. A prepared transaction
    stays in xip until it is committed.
4.  Ids are 64 bits wide and are handed out once, with one exception: after a crash the server may
    hand out again ids that left no trace in its log. A crash closes every connection, so a version
    carries the number of its checking connection, and nothing outlives it: a body is filed under
    the number as it was read *before* its snapshot was taken, so a body from before a crash never
    carries the number of a connection from after it.
5.  On a standby the list xip is empty by construction and 1 is not true; there the text has the
    clock's time in it, so that no two are equal and every answer is built again.

It is conservative: any write in the same server (other databases, other tables, a rolled-back one)
changes the text, and the answer is built again though its rows are the same. Reads don't change it.
Sequences change outside transactions and are not covered; no report reads one.

**Sharing.** An answer is exact if it was true at some moment between the request's arrival and its
answer. So a request may use any check that *began* after it arrived, no matter which request made
it; and any body whose snapshot was taken after it arrived. Requests that come during a check wait
for the next one, and one of them makes it for all: at most one check is under way in a process.
With `max_age`, a check that began up to so many seconds before the arrival serves too.
One build serves all who ask the same; how many may wait and build at a time is in `lanes`.
"""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, NamedTuple, Protocol, TypeVar

from sqlalchemy import text

from coworking.database import Disconnected, translated
from coworking.errors import DatabaseAway, ServiceError
from coworking.kept import Kept
from coworking.turns import TurnsByKey

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from contextlib import AbstractContextManager
    from datetime import datetime

    from psycopg2.extensions import connection as RawConnection  # noqa: N812 (a class)
    from psycopg2.extensions import cursor as RawCursor  # noqa: N812 (a class)
    from sqlalchemy import Connection

    from coworking.database import Database
    from coworking.lanes import Lanes

SNAPSHOT = """pg_postmaster_start_time()::text || ' ' || CASE WHEN pg_is_in_recovery()
    THEN clock_timestamp()::text ELSE pg_current_snapshot()::text END"""
PREPARE = f"""PREPARE coworking_check AS
    SELECT {SNAPSHOT}, (SELECT max(version_num) FROM public.alembic_version)"""  # noqa: S608 (a constant)
CHECK = "EXECUTE coworking_check"
THIS_SNAPSHOT = text(
    f"SELECT {SNAPSHOT}, (SELECT not_verified_since FROM public.rollup_checks)"  # noqa: S608 (a constant)
)


SOON = 0.05  # seconds; a shorter wait is as good as none


class Sized(Protocol):
    """Anything that can be kept: it knows how many bytes of memory it takes."""

    @property
    def nbytes(self) -> int: ...


B = TypeVar("B", bound=Sized)


class DataVersion(NamedTuple):
    """What the data is at one moment; equal versions have equal rows (see the module)."""

    connection: int
    snapshot: str


class Check(NamedTuple):
    """One question to the database: when it began (monotonic seconds) and what it found."""

    began: float
    version: DataVersion
    revision: str | None


class Failure(NamedTuple):
    """A check that failed: when it ended, and with what."""

    ended: float
    error: ServiceError


@dataclass(slots=True)
class Filed(Generic[B]):
    """A body, the version it was built under, and the last moment for which it is known exact.

    `not_verified_since` is when the rollups were last known to equal the tokens, if they may not.
    """

    version: DataVersion
    body: B
    as_of: float
    not_verified_since: datetime | None

    def confirmed(self, check: Check) -> bool:
        """Whether a check found the body's version: then it is exact as of that check too."""
        if self.version != check.version:
            return False
        self.as_of = max(self.as_of, check.began)
        return True


class AgedBody(NamedTuple, Generic[B]):
    """A body, and how far behind the database it may be in seconds; 0 means exact."""

    body: B
    age: float
    version: DataVersion
    max_age: float
    not_verified_since: datetime | None

    @property
    def header(self) -> str:
        """The value of `Report-Freshness`, a structured field (RFC 9651): a token, parameters."""
        aged = f";age={self.age:.3f};max-age={self.max_age:g}" if self.age > 0 else ""
        if self.not_verified_since is not None:
            return f"not-verified;since=@{self.not_verified_since.timestamp():.0f}{aged}"
        return f"within{aged}" if aged else "exact"


class Freshness:
    """The checks and the kept answers of one process.

    Args:
        database: where the questions go.
        lanes: how many requests may wait for a body, and how many build one.
        max_age: seconds that an answer may be behind (REPORT_MAX_AGE).
        keep_bytes: the bound on all kept bodies together.

    Attributes:
        kept: the kept answers.
    """

    def __init__(
        self, database: Database, lanes: Lanes, *, max_age: float, keep_bytes: int
    ) -> None:
        self.max_age = max_age
        self._checks = VersionChecks(database)
        self._database = database
        self._lanes = lanes
        self.kept: Kept[Hashable, Filed[Sized]] = Kept(most_bytes=keep_bytes)
        self._builds = TurnsByKey(database.config.db_statement_timeout + 1)
        database.deadlines.meanwhile = self._look

    def check(self, age: float = 0.0) -> Check:
        """The version and the schema's revision, as of the request's arrival or later.

        Args:
            age: seconds before the arrival when the check may have begun.

        Raises:
            DatabaseAway: the database can't be asked.
            SchemaTooOld: it has no schema of this service at all.
        """
        return self._checks.since(time.monotonic() - age)

    def answer(
        self, key: Hashable, build: Callable[[Connection], B], *, short: bool = False
    ) -> AgedBody[B]:
        """The body for `key`: the kept one while it is fresh enough, else one built now.

        Args:
            key: names the question with all its parameters; equal keys have equal answers.
            build: makes the body from one connection in one snapshot. It is called by one request
                at a time for each key; the others wait for its body.
            short: a build that costs Python next to nothing, and needs neither place nor turn.

        Raises:
            Busy: too many wait for a body already, or build one.
            DatabaseAway: the database can't be asked, or the build took too long.
            SchemaTooOld: as `check` does.
        """
        arrived = time.monotonic()
        since = arrived - self.max_age
        kept: Filed[B] | None = self.kept.get(key)  # type: ignore[assignment]  # one type a key
        if kept is None or kept.as_of < since:
            with contextlib.nullcontext() if short else self._lanes.place():
                check = self._checks.since(since)
                if kept is None or not kept.confirmed(check):
                    kept = self._built(key, build, arrived, check, short=short)
        age = max(0.0, arrived - kept.as_of)
        return AgedBody(kept.body, age, kept.version, self.max_age, kept.not_verified_since)

    @property
    def asking(self) -> bool:
        """Whether a check is under way."""
        return self._checks.asking

    def _look(self) -> None:
        """Check while a build waits for long: it may wait for a database that has gone."""
        if not self.asking:
            with contextlib.suppress(ServiceError):
                self.check()

    def close(self) -> None:
        """Close the connection of the checks."""
        self._checks.close()

    def _built(
        self,
        key: Hashable,
        build: Callable[[Connection], B],
        arrived: float,
        check: Check,
        *,
        short: bool,
    ) -> Filed[B]:
        with self._builds.turn(key) as (shared, waited):
            kept: Filed[B] | None = shared.found or self.kept.get(key)  # type: ignore[assignment]
            since = arrived - self.max_age
            if kept is not None and (kept.as_of >= since or kept.confirmed(check)):
                return kept
            if waited:  # the one before may have failed: fail as fast, before asking for more
                self._checks.since(time.monotonic(), arrived)
            came = time.monotonic()
            with contextlib.nullcontext() if short else self._lanes.work(arrived):
                if time.monotonic() - came > SOON:  # so may those who worked in the meantime
                    self._checks.since(came, arrived)
                number, began = self._checks.number, time.monotonic()
                row, body = self._database.read(
                    THIS_SNAPSHOT, lambda connection, row: (row, build(connection))
                )
            shared.found = kept = Filed(DataVersion(number, row[0]), body, began, row[1])
            self.kept.put(key, kept, body.nbytes)  # type: ignore[arg-type]  # one type a key
            return kept


class VersionChecks:
    """One check at a time, shared by all requests that arrived before it began."""

    def __init__(self, database: Database) -> None:
        self.number = 0  # of the present connection; it never comes back
        self._database = database
        self._within = database.config.db_check_timeout
        self._asking = threading.Lock()
        self._last: Check | Failure | None = None
        self._connection: RawConnection | None = None
        self._cursor: RawCursor | None = None
        self._named = ""
        self._silent_since: float | None = None

    def since(self, moment: float, arrived: float | None = None) -> Check:
        """A check that began at `moment` (monotonic seconds) or later.

        Args:
            moment: as said.
            arrived: when the request came, if it has waited since: it shares in the failure of a
                check that ended later, and doesn't wait for another one.
        """
        last = self._last
        if isinstance(last, Check) and last.began >= moment:
            return last
        arrived = time.monotonic() if arrived is None else arrived
        if isinstance(last, Failure) and last.ended >= arrived:
            raise _again(last)
        # While the database is known to be away, one request tries and the others don't wait.
        wait = 0 if isinstance(last, Failure) else self._within
        if not self._asking.acquire(timeout=wait):
            raise _again(last) if isinstance(last, Failure) else self._late()
        try:
            last = self._last
            if isinstance(last, Check) and last.began >= moment:
                return last
            if isinstance(last, Failure) and last.ended >= arrived:
                raise _again(last)
            return self._ask()
        finally:
            self._asking.release()

    @property
    def asking(self) -> bool:
        """Whether a check is under way."""
        return self._asking.locked()

    def close(self) -> None:
        """Close the connection; the next check opens another."""
        with self._asking:
            self._disconnect()

    def _ask(self) -> Check:
        began = time.monotonic()
        try:
            snapshot, revision = self._row(began + self._within)
        except ServiceError as error:
            ended = time.monotonic()
            self._last = Failure(ended, error)
            if ended >= began + self._within:  # silent: what waits for longer waits in vain
                self._database.give_up_waits(before=began)
            raise
        self._last = check = Check(began, DataVersion(self.number, snapshot), revision)
        return check

    def _row(self, deadline: float) -> tuple[str, str | None]:
        """Ask; a second time on a new connection if the old one turns out to be closed."""
        try:
            row = self._execute(deadline)
        except Disconnected:
            # Its neighbours in the pool are as dead: the server was restarted, or it moved, or the
            # network forgot all connections.
            self._database.forget_connections()
            if time.monotonic() >= deadline:
                self._silent_since = time.monotonic()
                raise self._late() from None
            row = self._execute(deadline)
        if self._silent_since is not None:
            # A new connection answers and the old one did not: what still waits on older ones
            # would wait for the end of a statement that nobody works on.
            self._database.give_up_waits(before=self._silent_since)
            self._silent_since = None
        return row

    def _execute(self, deadline: float) -> tuple[str, str | None]:
        try:
            with translated():
                cursor = self._cursor or self._connect(deadline)
                with self._guarded(cursor.connection, deadline):
                    self._name(cursor)
                    cursor.execute(CHECK)
                    row = cursor.fetchone()
        except ServiceError:
            self._disconnect()
            raise
        if row is None:
            raise DatabaseAway("the database gave no answer to a check")
        return row[0], row[1]

    def _name(self, cursor: RawCursor) -> None:
        """Say in the session's name which password is announced to this process.

        This session is the one that every process has and uses all the time.
        """
        name = self._database.passwords.session_name()
        if name != self._named:
            cursor.execute("SELECT set_config('application_name', %s, false)", (name,))
            self._named = name

    def _connect(self, deadline: float) -> RawCursor:
        self._connection = self._database.connect(within=deadline - time.monotonic())
        self._connection.autocommit = True
        self.number += 1
        cursor = self._connection.cursor()
        with self._guarded(self._connection, deadline):
            cursor.execute(PREPARE)
        self._cursor = cursor
        return cursor

    def _guarded(self, connection: RawConnection, deadline: float) -> AbstractContextManager[None]:
        return self._database.deadlines.guard(connection, deadline - time.monotonic())

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = self._cursor = None
        self._named = ""

    def _late(self) -> DatabaseAway:
        return DatabaseAway(f"no answer from the database within {self._within} s")


def _again(failure: Failure) -> ServiceError:
    """The same error for another request; an exception object belongs to one thread."""
    return type(failure.error)(str(failure.error), hint=failure.error.hint)
