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

from coworking import set_checks
from coworking.locks import in_short_attempts
from coworking.migrations.parts import sql

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection, Engine, TextClause

# Fold and rebuild exclude each other by this advisory lock: "fold" on a telephone's keys.
FOLD_LOCK = 3653
KEYS = {"daily_visits": "day", "user_visits": "user_id", "quarter_hours": "start"}
ROLLUPS = tuple(KEYS)
DELTAS = ("quarter_deltas", "user_deltas", "token_deltas", "member_changes")
SETS = ("member_sets", "joined_sets", "member_numbers")
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
    """One row in which a report is not the truth, or a trigger or view that is not in its place.

    Attributes:
        subject: the view, or "trigger", or "tokens".
        key: the row's key, or the trigger's name, or what of tokens it is.
        expected: the row that the tokens give, as JSON, or what should be there.
        got: the row that the view gives, or what is there; "nothing" if it is missing.
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
    if row.users or row.quarters:
        # Free the room of the deltas moved now, before every reader has scanned it.
        vacuum(engine, DELTAS, shrink=_are_long(engine, DELTAS))
    return FoldResult(True, row.days, row.users, row.quarters, time.monotonic() - began)


def _are_long(engine: Engine, tables: Sequence[str]) -> bool:
    """Whether one of the tables has so much room that readers should not go through it."""
    sizes = ", ".join(f"pg_relation_size('public.{table}')" for table in tables)
    with engine.connect() as connection:
        return bool(connection.execute(text(f"SELECT greatest({sizes}) > {SHRINK_BYTES}")).scalar())


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


def rebuild(
    engine: Engine, progress: Callable[[str], object] = lambda _: None, *, repair: bool = True
) -> None:
    """Compute the rollups again from the tokens. Readers and writers go on meanwhile.

    Triggers that are missing or disabled are made again first, and so are views that belong to
    another table than the one that is named tokens now; for that others wait a moment.

    Args:
        engine: the database.
        progress: gets each step as a sentence.
        repair: make triggers and views again; the migration that makes the views says no.
    """
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        try:
            # In a transaction that ends before the rebuild's own begins: waiting in that one would
            # leave it with a snapshot from before the other's commit.
            connection.execute(text("SET statement_timeout = 0"))
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": FOLD_LOCK})
            connection.commit()
            if repair:
                _repair(connection, progress)
            progress("Computing the rollups from the tokens ...")
            # The lock comes before the snapshot: LOCK TABLE takes none, the first query does.
            connection.execute(text("LOCK TABLE public.users, public.tokens IN ACCESS SHARE MODE"))
            connection.execute(text("SELECT public.rollup_rebuild()"))
            if connection.execute(text("SELECT to_regclass('public.rollup_checks')")).scalar():
                connection.execute(FORGIVE)
            connection.commit()
        finally:
            connection.invalidate()  # it has the session's lock: the pool must not see it again
    with engine.connect() as connection:
        tables = connection.execute(EXISTING, {"names": [*ROLLUPS, *DELTAS, *SETS]}).scalars().all()
    deltas = [each for each in tables if each in DELTAS]
    vacuum(engine, [each for each in tables if each not in DELTAS], analyze=True)
    vacuum(engine, deltas, analyze=True, shrink=_are_long(engine, deltas))


def _repair(connection: Connection, progress: Callable[[str], object]) -> None:
    found = bypasses(connection)
    if any(each.key in TRIGGERS for each in found):
        progress("Making the triggers of tokens again ...")
        in_short_attempts(connection, lambda: _make_triggers(connection))
    if any(each.subject == "tokens" and each.key.startswith("view") for each in found):
        progress("Making the views of tokens again ...")
        in_short_attempts(connection, lambda: _make_views(connection))
    connection.commit()


def _make_triggers(connection: Connection) -> None:
    """On the table that is named tokens, and on no other: an old one would count on."""
    for table, name in connection.execute(STRAY_TRIGGERS).all():
        connection.execute(text(f"DROP TRIGGER {name} ON {table}"))
    connection.execute(text("SELECT public.rollup_triggers()"))


def _make_views(connection: Connection) -> None:
    for name in ("true_views.sql", "exact_views.sql"):
        # The migration doesn't replace: there, a view of this name would be somebody else's.
        connection.exec_driver_sql(sql(name).replace("create view", "create or replace view"))


# --- the comparison with the truth ---------------------------------------------------------------

TRIGGERS = (
    *("members_deleted", "members_inserted", "members_truncated", "members_updated"),
    *("rollups_deleted", "rollups_inserted", "rollups_truncated", "rollups_updated"),
)
VIEWS = tuple(f"{kind}_{name}" for kind in ("true", "exact") for name in ROLLUPS)
TRIGGER_STATES = {"A": "always", "O": "only outside replication", "R": "only in replication"}


# Triggers of ours on another table than tokens or users, partitions of tokens apart.
STRAY_TRIGGERS = text("""
    SELECT tgrelid::regclass::text, quote_ident(tgname) FROM pg_trigger
    WHERE NOT tgisinternal AND (
        tgname LIKE 'rollups\\_%' AND tgrelid <> 'public.tokens'::regclass
        AND tgfoid IN (to_regproc('public.tokens_inserted'), to_regproc('public.tokens_updated'),
                       to_regproc('public.tokens_deleted'), to_regproc('public.tokens_truncated'))
        AND tgrelid NOT IN (SELECT relid FROM pg_partition_tree('public.tokens'))
        OR tgname LIKE 'members\\_%' AND tgrelid IS DISTINCT FROM to_regclass('public.users')
        AND tgfoid IN (to_regproc('public.members_inserted'), to_regproc('public.members_updated'),
                       to_regproc('public.members_deleted'), to_regproc('public.members_truncated'))
    )
""")
STATES = text("""
    SELECT tgname, tgenabled::text FROM pg_trigger
    WHERE tgrelid = CASE WHEN tgname LIKE 'members\\_%' THEN to_regclass('public.users')
                         ELSE to_regclass('public.tokens') END
""")
# Views of ours that don't read the table that is named tokens.
FOREIGN_VIEWS = text("""
    SELECT name FROM unnest(CAST(:views AS text[])) AS name WHERE NOT EXISTS (
        SELECT FROM pg_rewrite JOIN pg_depend
            ON classid = 'pg_rewrite'::regclass AND objid = pg_rewrite.oid
        WHERE ev_class = to_regclass('public.' || name) AND refclassid = 'pg_class'::regclass
          AND refobjid = to_regclass('public.tokens')
    )
""")
SUBSCRIBED = text("""
    SELECT EXISTS (SELECT FROM pg_subscription_rel
                   WHERE srrelid IN (SELECT to_regclass('public.tokens') UNION ALL
                                     SELECT to_regclass('public.users') UNION ALL
                                     SELECT relid FROM pg_partition_tree('public.tokens')))
""")
# A migration from before the sets rebuilds too.
EXISTING = text("""
    SELECT name FROM unnest(CAST(:names AS text[])) AS name
    WHERE to_regclass('public.' || name) IS NOT NULL
""")
FORGIVE = text("""
    UPDATE public.rollup_checks
    SET part = 'users', after = '', rotation_began = now(), verified_at = now(),
        whole_since = now(), fault = NULL, not_verified_since = NULL
""")


def differences(engine: Engine, limit: int = 100) -> Differences:
    """Compare what the views say with what the tokens say, all in one snapshot.

    Whatever lets a write bypass the rollups counts too: the next write would make a difference.
    Where the views are those of another table, nothing is compared, and nothing certified.

    Args:
        engine: the database.
        limit: how many differences to list of each view; all are counted.
    """
    isolated = engine.connect().execution_options(
        isolation_level="REPEATABLE READ", postgresql_readonly=True
    )
    with isolated as connection:
        listed = bypasses(connection)
        total = len(listed)
        if any(each.subject == "tokens" for each in listed):
            return Differences(total, listed)
        for rollup in ROLLUPS:
            rows = connection.execute(_comparison(rollup), {"limit": limit}).all()
            total += rows[0].total if rows else 0
            view = f"exact_{rollup}"
            listed += [Difference(view, row.key, row.expected, row.got) for row in rows]
        for name, query in set_checks.ALL.items():
            rows = connection.execute(set_checks.listing(query), {"limit": limit}).all()
            total += rows[0].total if rows else 0
            listed += [Difference(name, row.key, row.expected, row.got) for row in rows]
    return Differences(total, listed)


def bypasses(connection: Connection) -> list[Difference]:
    """What lets writes of tokens bypass the rollups: looks into the catalogue, no row is read."""
    if connection.execute(text("SELECT to_regclass('public.tokens')")).scalar() is None:
        return [Difference("tokens", "table", "a table", "nothing")]
    found = _idle_triggers(connection)
    for table, name in connection.execute(STRAY_TRIGGERS).all():
        own = "users" if name.startswith("members_") else "tokens"
        found.append(Difference("trigger", name, f"on {own} alone", f"also on {table}"))
    views = connection.execute(FOREIGN_VIEWS, {"views": list(VIEWS)}).scalars()
    found += [Difference("tokens", f"view {name}", "of tokens", "of another") for name in views]
    if connection.execute(SUBSCRIBED).scalar():
        found.append(
            Difference("subscription", "of tokens", "none", "one, whose rows fire no trigger")
        )
    return found


def _idle_triggers(connection: Connection) -> list[Difference]:
    found = {row.tgname: row.tgenabled for row in connection.execute(STATES)}
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
