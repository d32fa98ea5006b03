"""Which revision the database's schema has, which one this build needs, and the way between them.

schema.upgrade(engine, progress=print)
with engine.connect() as connection:
    assert not schema.is_older(schema.current_revision(connection))
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Literal

from psycopg2.errors import (
    DuplicateFunction,
    DuplicateObject,
    DuplicateTable,
    InsufficientPrivilege,
)
from sqlalchemy import text
from sqlalchemy.exc import OperationalError, ProgrammingError

from coworking.errors import (
    ArgumentError,
    DatabaseAway,
    DatabaseUntrusted,
    SchemaTooOld,
    ServiceError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection, Engine

# The newest revision; a database at one that is not in REVISIONS is a later release's.
REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009")
REQUIRED_REVISION = REVISIONS[-1]

# The lock of a migration. Any number would do; this one is "migrate" on a telephone's keys.
MIGRATION_LOCK = 6447283
POLL = 0.25  # seconds between two looks at something that is waited for

# What a person can do about the database's refusals.
HINTS: dict[type[Exception], str] = {
    InsufficientPrivilege: "Migrate as the role that owns the tables users and tokens.",
    **dict.fromkeys(
        (DuplicateFunction, DuplicateObject, DuplicateTable),
        "It is not this service's, and so is left as it is: rename it, then migrate again.",
    ),
}


def is_older(revision: str | None) -> bool:
    """Whether a database at this revision lacks what this build needs.

    A revision that this build doesn't know belongs to a later release, whose schema this one can
    use: every revision is compatible with the release before it.
    """
    return revision is None or revision in REVISIONS[:-1]


def require(revision: str | None) -> None:
    """Refuse a database that lacks what this build needs.

    Raises:
        SchemaTooOld: `is_older` says so.
    """
    if is_older(revision):
        raise SchemaTooOld(
            f"the database's schema is at revision {revision or 'none'}, and this build needs "
            f"{REQUIRED_REVISION}",
            hint="Run `coworking migrate` with the same settings.",
        )


def current_revision(connection: Connection) -> str | None:
    """The database's revision; None if it has no Alembic history.

    Raises:
        ServiceError: it has several, which no release of this service leaves.
    """
    if connection.execute(text("SELECT to_regclass('public.alembic_version')")).scalar() is None:
        return None
    # Not by Alembic's own reader: a process that only looks would import all of Alembic.
    found = connection.execute(text("SELECT version_num FROM public.alembic_version")).scalars()
    revisions: list[str] = sorted(found)
    if len(revisions) > 1:
        raise ServiceError(
            f"the database is at several revisions at once: {', '.join(revisions)}",
            hint="Leave the one in the table alembic_version that its schema has.",
        )
    return revisions[0] if revisions else None


def upgrade(
    engine: Engine,
    to: str = "head",
    *,
    progress: Callable[[str], object] = lambda _: None,
    patience: float = 60.0,
) -> None:
    """Bring the schema to a revision, by default the newest; do nothing if it is there already.

    Any number of callers may do so at once: one migrates, the others wait for it and find it done.
    A later release's database is left as it is.

    Args:
        engine: the database; it may still be starting.
        to: the revision.
        progress: gets each step as a sentence.
        patience: seconds to wait for the database to take connections.

    Raises:
        DatabaseAway: it took none in that time.
        DatabaseUntrusted: its certificate is refused, which is not waited for.
        ServiceError: the tables are not the older service's, stayed locked, or belong to another
            role; the message says which.
    """
    with _migrating(engine, progress, patience) as connection:
        found = current_revision(connection)
        connection.rollback()
        if found is not None and found not in REVISIONS:
            progress(f"The schema is a later release's ({found}); it is left as it is.")
            return
        _follow("upgrade", connection, to, progress)


def downgrade(
    engine: Engine,
    to: str,
    *,
    progress: Callable[[str], object] = lambda _: None,
    patience: float = 60.0,
) -> None:
    """Take the schema back to an older revision; "base" leaves only the older service's tables.

    Raises:
        ArgumentError: there is no such revision.
        ServiceError: as `upgrade`.
    """
    if to not in (*REVISIONS, "base"):
        raise ArgumentError(
            f"there is no revision {to!r}", hint=f"Valid: base, {', '.join(REVISIONS)}."
        )
    with _migrating(engine, progress, patience) as connection:
        _follow("downgrade", connection, to, progress)
        if to == "base":  # Alembic leaves its own table, empty
            connection.execute(text("DROP TABLE IF EXISTS public.alembic_version"))
            connection.commit()


@contextlib.contextmanager
def _migrating(
    engine: Engine, progress: Callable[[str], object], patience: float
) -> Iterator[Connection]:
    """A separate connection that holds the migration lock."""
    connection = _connected(engine, progress, patience)
    try:
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text("SET lock_timeout = 0"))
        connection.execute(text("SET idle_in_transaction_session_timeout = 0"))
        connection.commit()
        _take_lock(connection, progress)
        yield connection
    except ProgrammingError as error:
        hint = next((HINTS[kind] for kind in HINTS if isinstance(error.orig, kind)), None)
        if hint is None:
            raise
        raise ServiceError(f"the database refuses: {str(error.orig).strip()}", hint=hint) from error
    finally:
        # It has the session's lock and settings: the pool must not see it again.
        connection.invalidate()
        connection.close()


def _connected(engine: Engine, progress: Callable[[str], object], patience: float) -> Connection:
    deadline = time.monotonic() + patience
    said = ""
    while True:
        try:
            return engine.connect()
        except DatabaseUntrusted:
            raise
        except (OperationalError, DatabaseAway) as error:
            reason = str(getattr(error, "orig", None) or error).strip()
            hint = getattr(error, "hint", "")
            if time.monotonic() > deadline:
                raise DatabaseAway(
                    f"no database after {patience:.0f} s: {reason}", hint=hint
                ) from error
            if said != reason + hint:
                said = reason + hint
                why = ": ".join(filter(None, (reason, hint)))
                progress(f"Waiting up to {patience:.0f} s for the database: {why}")
        time.sleep(POLL)


def _take_lock(connection: Connection, progress: Callable[[str], object]) -> None:
    """Wait for the lock by asking again and again.

    A waiting pg_advisory_lock() would hold a snapshot, and CREATE INDEX CONCURRENTLY of the one
    who migrates would wait for that snapshot's end.
    """
    question = text("SELECT pg_try_advisory_lock(:key)")
    waiting = False
    while True:
        taken = connection.execute(question, {"key": MIGRATION_LOCK}).scalar()
        connection.rollback()
        if taken:
            return
        if not waiting:
            progress("Another migration is under way; waiting for its end ...")
            waiting = True
        time.sleep(POLL)


def _follow(
    verb: Literal["upgrade", "downgrade"],
    connection: Connection,
    to: str,
    progress: Callable[[str], object],
) -> None:
    # Only here: every process imports this module, hardly any migrates, and Alembic would take a
    # fifth of the time in which `serve` starts.
    from alembic import command, util  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", "coworking:migrations")
    config.attributes["connection"] = connection
    config.attributes["progress"] = progress
    try:
        getattr(command, verb)(config, to)
    except util.CommandError as error:
        raise ServiceError(f"the revisions can't be followed: {error}") from error
