"""Keeps the rollups of `tokens` small, and checks whether they are right.

Readers need none of this: the views exact_daily_visits, exact_user_visits and exact_quarter_hours
are exact at every moment. See docs/rollups.md.

    fold(engine)                     # every 30 s: moves the deltas into the rollups
    for each in differences(engine).listed: print(each)
    rebuild(engine)                  # if there ever is one
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import text

from coworking.locks import in_short_attempts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection, Engine, TextClause

# Fold and rebuild exclude each other by this advisory lock: "fold" on a telephone's keys.
FOLD_LOCK = 3653
KEYS = {"daily_visits": "day", "user_visits": "user_id", "quarter_hours": "start"}
ROLLUPS = tuple(KEYS)
DELTAS = ("quarter_deltas", "user_deltas", "token_deltas")
SHRINK_BYTES = 4 << 20  # an emptied table of deltas that is longer is worth shortening


@dataclass(frozen=True)
class FoldResult:
    """What a fold did.

    Attributes:
        ran: False if another fold or a rebuild was under way; then nothing was done.
        days: rows of daily_visits written.
        users: rows of user_visits written.
        quarter_hours: rows of quarter_hours written.
        seconds: how long it took.
    """

    ran: bool
    days: int
    users: int
    quarter_hours: int
    seconds: float

    def __str__(self) -> str:
        if not self.ran:
            return "Another fold is under way."
        return (
            f"Folded into {self.days} days, {self.users} users and {self.quarter_hours} quarter "
            f"hours in {self.seconds * 1000:.0f} ms."
        )


@dataclass(frozen=True)
class Difference:
    """One row in which a report is not the truth, or a trigger that does not do its work.

    Attributes:
        subject: the view, or "trigger".
        key: the row's key, or the trigger's name.
        expected: the row that the tokens give, as JSON, or what the trigger should be.
        got: the row that the view gives, or what the trigger is; "nothing" if it is missing.
    """

    subject: str
    key: str
    expected: str
    got: str

    def __str__(self) -> str:
        return f"{self.subject} {self.key}: expected {self.expected}, got {self.got}"


@dataclass(frozen=True)
class Differences:
    """What `differences` found: how many, and the first of them."""

    total: int
    listed: list[Difference]


def fold(engine: Engine) -> FoldResult:
    """Move all deltas into the rollups, unless a fold or a rebuild is under way already.

    Nobody waits for it, and no report changes by it.
    """
    began = time.monotonic()
    isolated = engine.connect().execution_options(isolation_level="READ COMMITTED")
    with isolated as connection, connection.begin():
        taken = text("SELECT pg_try_advisory_xact_lock(:key)")
        if not connection.execute(taken, {"key": FOLD_LOCK}).scalar():
            return FoldResult(False, 0, 0, 0, time.monotonic() - began)
        row = connection.execute(text("SELECT * FROM public.rollup_fold()")).one()
        sizes = ", ".join(f"pg_relation_size('public.{table}')" for table in DELTAS)
        longest = connection.execute(text(f"SELECT greatest({sizes})")).scalar_one()
    if row.users or row.quarters:
        # Free the room of the deltas moved now, before every reader has scanned it.
        vacuum(engine, DELTAS, shrink=longest > SHRINK_BYTES)
    return FoldResult(True, row.days, row.users, row.quarters, time.monotonic() - began)


def vacuum(
    engine: Engine, tables: Sequence[str], *, analyze: bool = False, shrink: bool = False
) -> None:
    """Free the room of dead rows, outside of any transaction.

    Args:
        engine: the database.
        tables: what to vacuum.
        analyze: update the planner's statistics too.
        shrink: give empty pages at the end back. While VACUUM waits to do so (up to 5 s), a
            TRUNCATE waits for it and everyone else for the TRUNCATE, so it is not the rule.
    """
    options = f"(ANALYZE {analyze}, TRUNCATE {shrink})"
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"VACUUM {options} {', '.join(tables)}"))


def rebuild(engine: Engine, progress: Callable[[str], object] = lambda _: None) -> None:
    """Compute the rollups again from the tokens. Readers and writers go on meanwhile.

    Triggers that are missing or disabled are made again first; for that writers wait a moment.

    Args:
        engine: the database.
        progress: gets each step as a sentence.
    """
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        try:
            # In a transaction that ends before the rebuild's own begins: waiting in that one would
            # leave it with a snapshot from before the other's commit.
            connection.execute(text("SET statement_timeout = 0"))
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": FOLD_LOCK})
            connection.commit()
            _mend_triggers(connection, progress)
            progress("Computing the rollups from the tokens ...")
            # The lock comes before the snapshot: LOCK TABLE takes none, the first query does.
            connection.execute(text("LOCK TABLE public.tokens IN ACCESS SHARE MODE"))
            connection.execute(text("SELECT public.rollup_rebuild()"))
            connection.commit()
        finally:
            connection.invalidate()  # it has the session's lock: the pool must not see it again
    vacuum(engine, (*ROLLUPS, *DELTAS), analyze=True)


def _mend_triggers(connection: Connection, progress: Callable[[str], object]) -> None:
    if _idle_triggers(connection):
        progress("Making the triggers of tokens again ...")
        make = text("SELECT public.rollup_triggers()")
        in_short_attempts(connection, lambda: connection.execute(make))
    connection.commit()


# --- the comparison with the truth ---------------------------------------------------------------

TRIGGERS = ("rollups_deleted", "rollups_inserted", "rollups_truncated", "rollups_updated")
TRIGGER_STATES = {"A": "always", "O": "only outside replication", "R": "only in replication"}


def differences(engine: Engine, limit: int = 100) -> Differences:
    """Compare what the views say with what the tokens say, all in one snapshot.

    Triggers that are missing or switched off count too: the next write would make a difference.

    Args:
        engine: the database.
        limit: how many differences to list of each view; all are counted.
    """
    isolated = engine.connect().execution_options(
        isolation_level="REPEATABLE READ", postgresql_readonly=True
    )
    with isolated as connection:
        listed = _idle_triggers(connection)
        total = len(listed)
        for rollup in ROLLUPS:
            rows = connection.execute(_comparison(rollup), {"limit": limit}).all()
            total += rows[0].total if rows else 0
            view = f"exact_{rollup}"
            listed += [Difference(view, row.key, row.expected, row.got) for row in rows]
    return Differences(total, listed)


def _idle_triggers(connection: Connection) -> list[Difference]:
    states = text("""
        SELECT tgname, tgenabled::text FROM pg_trigger WHERE tgrelid = 'public.tokens'::regclass
    """)
    found = {row.tgname: row.tgenabled for row in connection.execute(states)}
    return [
        Difference("trigger", name, "always", TRIGGER_STATES.get(found[name], "never"))
        if name in found
        else Difference("trigger", name, "always", "nothing")
        for name in TRIGGERS
        if found.get(name) != "A"
    ]


def _comparison(rollup: str) -> TextClause:
    key = KEYS[rollup]
    return text(f"""
        SELECT {key}::text AS key, count(*) OVER () AS total,
               coalesce((to_jsonb(t) - '{key}')::text, 'nothing') AS expected,
               coalesce((to_jsonb(e) - '{key}')::text, 'nothing') AS got
        FROM public.true_{rollup} t FULL JOIN public.exact_{rollup} e USING ({key})
        WHERE t IS DISTINCT FROM e
        ORDER BY {key} LIMIT :limit
    """)  # noqa: S608 (names from KEYS)
