"""Folds, rebuilds, truncations, readers and writers at once: who sees, and who waits for, what."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psycopg2
import pytest
from sqlalchemy import text

from coworking import rollups
from tests.app.versions import BOTH

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Engine

    from tests.app.conftest import Database

FILL = """
    INSERT INTO users (first_name, last_name, joined_at)
    SELECT 'a', 'b', '2025-01-01' FROM generate_series(1, 20);
    INSERT INTO tokens (user_id, token, created_at, used_at)
    SELECT 1 + g % 20, g::text, timestamp '2026-01-05 08:00' + g * interval '7 minutes',
           timestamp '2026-01-05 07:58' + g * interval '7 minutes' FROM generate_series(1, 500) g
"""
ADD = "INSERT INTO tokens (user_id, token, used_at) VALUES (1, 'x', '2026-01-01 12:00')"
REPORTS = """
    SELECT (SELECT sum(visits) FROM exact_daily_visits),
           (SELECT sum(visits) FROM exact_user_visits),
           (SELECT sum(issued) FROM exact_quarter_hours), (SELECT count(*) FROM tokens)
"""
BACKWARDS = """
    SELECT count(*) FROM exact_quarter_hours UNION ALL
    SELECT count(*) FROM exact_user_visits UNION ALL
    SELECT count(*) FROM exact_daily_visits
"""


@BOTH
@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_a_snapshot_keeps_its_reports_across_writes_folds_and_rebuilds(
    postgres_version: int, database: Database, engine: Engine, level: str
) -> None:
    database.execute(FILL)
    with engine.connect().execution_options(isolation_level=level) as reader:
        before = reader.execute(text(REPORTS)).one()

        database.execute(ADD, "DELETE FROM tokens WHERE id < 100")
        rollups.fold(engine)
        database.execute(ADD)
        rollups.rebuild(engine)
        rollups.fold(engine)

        assert reader.execute(text(REPORTS)).one() == before == (500, 500, 500, 500)
    assert database.rows(REPORTS) == [(403, 403, 403, 403)]


@BOTH
def test_a_snapshot_from_before_a_truncation_sees_no_tokens_and_no_counts(
    postgres_version: int, database: Database, engine: Engine
) -> None:
    database.execute(FILL)
    rollups.fold(engine)
    database.execute(ADD)
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as reader:
        reader.execute(text("SELECT count(*) FROM users"))  # takes the snapshot, locks no token

        database.execute("TRUNCATE tokens", ADD)
        rollups.fold(engine)

        assert reader.execute(text(REPORTS)).one() == (None, None, None, 0)
    assert database.rows(REPORTS) == [(1, 1, 1, 1)]


def test_a_truncation_that_is_rolled_back_leaves_all_counts(
    database: Database, engine: Engine
) -> None:
    database.execute(FILL)
    rollups.fold(engine)
    database.execute(ADD)

    database.execute(f"BEGIN; TRUNCATE tokens; {ADD}; ROLLBACK")

    assert database.rows(REPORTS) == [(501, 501, 501, 501)]
    assert rollups.differences(engine).total == 0


def test_a_second_fold_does_nothing_while_one_is_under_way(
    database: Database, engine: Engine
) -> None:
    with engine.connect() as other:
        other.execute(text(f"SELECT pg_advisory_lock({rollups.FOLD_LOCK})"))

        assert not rollups.fold(engine).ran
        assert str(rollups.fold(engine)) == "Another fold is under way."
    assert rollups.fold(engine).ran


def test_a_writer_s_open_transaction_holds_up_neither_fold_nor_rebuild(
    database: Database, engine: Engine
) -> None:
    database.execute(FILL)
    with engine.connect() as writer:
        writer.execute(text(ADD))
        writer.execute(text("UPDATE tokens SET used_at = NULL WHERE id < 50"))

        assert rollups.fold(engine).ran
        rollups.rebuild(engine)
        assert database.rows(REPORTS) == [(500, 500, 500, 500)]

        writer.commit()
    assert rollups.differences(engine).total == 0
    rollups.fold(engine)
    assert rollups.differences(engine).total == 0


@BOTH
@pytest.mark.parametrize("prepared", [False, True], ids=["plain", "prepared"])
@pytest.mark.parametrize("view", [f"exact_{name}" for name in rollups.ROLLUPS])
def test_a_reader_locks_tokens_before_any_rollup(
    postgres_version: int, database: Database, view: str, prepared: bool
) -> None:
    reader, blocker = database.connect(), database.connect()
    with reader.cursor() as ask, blocker.cursor() as block, ThreadPoolExecutor() as pool:
        query = f"SELECT count(*) FROM {view}"
        if prepared:
            ask.execute(
                f"SET plan_cache_mode = force_generic_plan; PREPARE q AS {query}; EXECUTE q"
            )
            query = "EXECUTE q"
        tables = ", ".join((*rollups.ROLLUPS, *rollups.DELTAS))
        block.execute(f"BEGIN; LOCK TABLE {tables}")

        answer = pool.submit(ask.execute, query)
        held = f"""SELECT relation::regclass::text, granted FROM pg_locks
                   WHERE pid = {reader.info.backend_pid} AND relation::regclass::text IN
                   ('tokens', '{tables.replace(", ", "', '")}') ORDER BY 2 DESC"""
        wait_for(lambda: any(not granted for _, granted in database.rows(held)))

        assert [row for row in database.rows(held) if row[1]] == [("tokens", True)]
        block.execute("ROLLBACK")
        answer.result(timeout=10)
    reader.close()
    blocker.close()


@pytest.mark.thorough
@BOTH
def test_nothing_ever_deadlocks_with_a_truncation(
    postgres_version: int, database: Database, engine: Engine
) -> None:
    database.execute(FILL)
    ended = threading.Event()
    done = [0] * 6

    def repeat(number: int, *statements: str) -> None:
        connection = database.connect()
        with connection.cursor() as cursor:
            cursor.execute("SET deadlock_timeout = '10ms'")
            while not ended.is_set():
                cursor.execute(statements[done[number] % len(statements)])
                done[number] += 1
        connection.close()

    def repeat_call(number: int, call: Callable[[Engine], object]) -> None:
        while not ended.is_set():
            call(engine)
            done[number] += 1

    removal = "DELETE FROM tokens WHERE id = (SELECT min(id) FROM tokens)"
    with ThreadPoolExecutor() as pool:
        jobs = [
            pool.submit(repeat, 0, ADD, removal),
            pool.submit(repeat, 1, BACKWARDS, REPORTS),
            pool.submit(repeat, 2, REPORTS, BACKWARDS),
            pool.submit(repeat, 3, "TRUNCATE tokens", ADD, ADD, "SELECT pg_sleep(0.01)"),
            pool.submit(repeat_call, 4, rollups.fold),
            pool.submit(repeat_call, 5, rollups.rebuild),
        ]
        try:
            wait_for(lambda: min(done) >= 8 or any(job.done() for job in jobs), seconds=60)
        finally:
            ended.set()
        for job in jobs:
            job.result(timeout=30)  # raises what its thread raised

    assert rollups.differences(engine).total == 0


@BOTH
def test_serializable_writers_conflict_no_more_than_without_rollups(
    postgres_version: int, database: Database, engine: Engine
) -> None:
    database.execute(FILL)
    first, second = (
        engine.connect().execution_options(isolation_level="SERIALIZABLE") for _ in range(2)
    )
    with first, second:
        first.execute(text(ADD))
        second.execute(text(ADD))
        second.execute(text("UPDATE tokens SET used_at = now() WHERE id = 77"))
        rollups.fold(engine)
        first.execute(text("DELETE FROM tokens WHERE id = 400"))
        rollups.rebuild(engine)
        first.commit()
        second.commit()

    assert rollups.differences(engine).total == 0


def test_an_interrupted_fold_changes_nothing(database: Database, engine: Engine) -> None:
    database.execute(FILL)
    connection = database.connect()
    interrupted = "BEGIN; SELECT rollup_fold(); SET LOCAL statement_timeout = 1; SELECT pg_sleep(5)"
    with connection.cursor() as cursor, pytest.raises(psycopg2.errors.QueryCanceled):
        cursor.execute(interrupted)
    connection.close()

    assert database.rows("SELECT count(*) FROM daily_visits") == [(0,)]
    assert rollups.differences(engine).total == 0


def wait_for(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.01)
