"""The migrations: adopting an older service's database, in use, interrupted, and reverted."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from coworking import locks, rollups, schema
from coworking.errors import DatabaseAway, ServiceError
from tests.app.versions import BOTH

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg2.extensions import connection as Connection  # noqa: N812 (a class)
    from sqlalchemy import Engine

    from tests.app.conftest import Database

CASES = sorted((Path(__file__).parent / "older_service").glob("*.json"))
ROWS = """
    INSERT INTO users (first_name, last_name, joined_at) SELECT 'a', 'b', now()
    FROM generate_series(1, 50);
    INSERT INTO tokens (user_id, token, created_at, used_at)
    SELECT 1 + g % 50, 'x', timestamp '2026-01-01' + g * interval '1 minute',
           CASE WHEN g % 9 > 0 THEN timestamp '2026-01-01' + g * interval '61 seconds' END
    FROM generate_series(1, 20000) g;
"""
OF_THE_OLDER_SERVICE = "SELECT count(*), sum(hashtext(t::text)) FROM tokens t"
LEFT_OVER = """
    SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace
    UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION ALL SELECT tgname FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1
"""


@contextmanager
def held(database: Database, *statements: str) -> Iterator[Connection]:
    """A transaction that has run these statements and stays open during the block."""
    connection = database.connect()
    connection.autocommit = False
    try:
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
        yield connection
    finally:
        connection.close()


def revision(engine: Engine) -> str | None:
    with engine.connect() as connection:
        return schema.current_revision(connection)


def test_the_registry_of_revisions_is_what_the_scripts_say() -> None:
    folder = Path(schema.__file__).with_name("migrations")
    scripts = ScriptDirectory(str(folder)).walk_revisions()

    assert [script.revision for script in scripts][::-1] == list(schema.REVISIONS)


@pytest.mark.parametrize(
    ("found", "older"),
    [
        (None, True),
        ("0001", True),
        ("0003", True),
        ("0004", True),
        ("0005", True),
        ("0007", True),
        ("0008", True),
        ("0009", False),
        ("x", False),
    ],
)
def test_only_a_known_older_revision_is_older(found: str | None, older: bool) -> None:
    assert schema.is_older(found) is older


def test_a_history_without_an_entry_is_no_revision(database: Database, engine: Engine) -> None:
    database.execute("DELETE FROM alembic_version")

    assert revision(engine) is None


def test_a_history_with_two_entries_is_refused(database: Database, engine: Engine) -> None:
    database.execute("INSERT INTO alembic_version VALUES ('0002')")

    with pytest.raises(ServiceError, match="at several revisions at once: 0002, 0009"):
        schema.upgrade(engine)


@BOTH
def test_an_empty_database_gets_the_older_tables_as_they_were(
    postgres_version: int, empty_database: Database, older_database: Database
) -> None:
    columns = """
        SELECT table_name, column_name, data_type, character_maximum_length, is_nullable,
               column_default FROM information_schema.columns
        WHERE table_name IN ('users', 'tokens') ORDER BY 1, ordinal_position
    """
    schema.upgrade(create_engine(empty_database.url, poolclass=NullPool))

    assert empty_database.rows(columns) == older_database.rows(columns)


@pytest.mark.parametrize("case", CASES, ids=[case.stem for case in CASES])
def test_a_recorded_database_is_adopted(
    older_database: Database, older_engine: Engine, case: Path
) -> None:
    statements = json.loads(case.read_text())["sql"]
    if statements:
        older_database.execute(statements)
    before = older_database.rows(OF_THE_OLDER_SERVICE)

    schema.upgrade(older_engine)

    assert revision(older_engine) == schema.REQUIRED_REVISION
    assert rollups.differences(older_engine).total == 0
    assert older_database.rows(OF_THE_OLDER_SERVICE) == before


@pytest.mark.thorough
@BOTH
def test_taking_it_back_leaves_the_older_service_s_database(
    postgres_version: int, older_database: Database, older_engine: Engine
) -> None:
    older_database.execute(ROWS)
    things, rows = older_database.rows(LEFT_OVER), older_database.rows(OF_THE_OLDER_SERVICE)

    schema.upgrade(older_engine)
    schema.downgrade(older_engine, "base")

    assert older_database.rows(LEFT_OVER) == things  # Alembic's own table was left once
    assert older_database.rows(OF_THE_OLDER_SERVICE) == rows
    older_database.execute("DELETE FROM tokens WHERE id < 100")
    schema.upgrade(older_engine)
    assert rollups.differences(older_engine).total == 0


@pytest.mark.thorough
@BOTH
def test_adoption_stops_neither_readers_nor_writers(
    postgres_version: int, older_database: Database, older_engine: Engine
) -> None:
    older_database.execute(ROWS)
    ended = threading.Event()

    def use(statement: str) -> float:
        """Run a statement again and again; the longest time it took."""
        longest = 0.0
        connection = older_database.connect()
        with connection.cursor() as cursor:
            while not ended.is_set():
                began = time.monotonic()
                cursor.execute(statement)
                longest = max(longest, time.monotonic() - began)
                time.sleep(0.002)
        connection.close()
        return longest

    insert = "INSERT INTO tokens (user_id, token, used_at) VALUES (3, 'y', now())"
    change = "UPDATE tokens SET used_at = now() WHERE id = (SELECT min(id) + 7 FROM tokens)"
    with (
        ThreadPoolExecutor() as pool,
        held(older_database, "SELECT count(*) FROM tokens") as reader,
    ):
        users = [pool.submit(use, each) for each in (insert, change, "SELECT max(id) FROM tokens")]
        # The index waits for a reader's end as long as its snapshot is old, and holds nobody up.
        end = threading.Timer(0.3, reader.commit)
        end.start()
        schema.upgrade(older_engine)
        ended.set()
        end.join()
        longest = max(user.result() for user in users)

    assert rollups.differences(older_engine).total == 0
    assert longest < 2  # seconds, on a machine that may be busy


@pytest.mark.thorough
def test_a_long_transaction_delays_the_triggers_but_nobody_else(
    older_database: Database, older_engine: Engine
) -> None:
    older_database.execute(ROWS)
    schema.upgrade(older_engine, "0002")
    insert = "INSERT INTO tokens (user_id, token) VALUES (1, 'z')"

    with held(older_database, insert) as writer, ThreadPoolExecutor() as pool:
        upgrade = pool.submit(schema.upgrade, older_engine)
        waits = []
        while len(waits) < 20:
            began = time.monotonic()
            older_database.execute(f"SET lock_timeout = '5s'; {insert}")
            waits.append(time.monotonic() - began)
            time.sleep(0.03)
        assert not upgrade.done()
        writer.commit()
        upgrade.result(timeout=30)

    assert max(waits) < 2  # an attempt makes others wait 0.2 s
    assert rollups.differences(older_engine).total == 0


@pytest.mark.thorough
def test_a_table_that_stays_locked_is_given_up_with_the_holder_named(
    older_database: Database, older_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "GIVE_UP_AFTER", 0.3)
    schema.upgrade(older_engine, "0002")

    with (
        held(older_database, "LOCK TABLE tokens IN ROW EXCLUSIVE MODE") as holder,
        pytest.raises(ServiceError, match=f"pid {holder.info.backend_pid}"),
    ):
        schema.upgrade(older_engine)

    assert revision(older_engine) == "0002"
    schema.upgrade(older_engine)
    assert revision(older_engine) == schema.REQUIRED_REVISION


@pytest.mark.thorough
@BOTH
def test_a_migration_that_died_while_filling_is_done_again(
    postgres_version: int, older_database: Database, older_engine: Engine
) -> None:
    older_database.execute(ROWS)
    schema.upgrade(older_engine, "0003")
    older_database.execute("INSERT INTO tokens (user_id, token, used_at) VALUES (1, 'a', now())")
    died = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE datname = current_database() AND query LIKE {}"
    )

    with held(older_database, "LOCK TABLE daily_visits"), ThreadPoolExecutor() as pool:
        upgrade = pool.submit(schema.upgrade, older_engine)
        killed = 0
        deadline = time.monotonic() + 20
        while not killed and time.monotonic() < deadline:
            killed = older_database.rows(died.format("'SELECT public.rollup_rebuild%'"))[0][0]
            time.sleep(0.01)
        with pytest.raises(Exception, match=r"terminat|closed"):
            upgrade.result(timeout=20)

    assert killed == 1
    assert revision(older_engine) == "0003"
    assert older_database.rows("SELECT to_regclass('exact_daily_visits')") == [(None,)]
    schema.upgrade(older_engine)
    assert rollups.differences(older_engine).total == 0


@pytest.mark.thorough
def test_several_that_migrate_at_once_all_find_it_done(
    older_database: Database, older_engine: Engine
) -> None:
    older_database.execute(ROWS)
    said: list[str] = []

    with ThreadPoolExecutor() as pool:
        jobs = [pool.submit(schema.upgrade, older_engine, progress=said.append) for _ in range(4)]
        for job in jobs:
            job.result(timeout=60)

    assert said.count("Filling the rollups ...") == 1
    assert rollups.differences(older_engine).total == 0


def test_a_later_release_s_database_is_left_alone(database: Database, engine: Engine) -> None:
    database.execute("UPDATE alembic_version SET version_num = '9999'")

    schema.upgrade(engine)

    assert revision(engine) == "9999"


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ("CREATE TABLE tokens (id int)", "there is no table users"),
        (
            "CREATE TABLE users (id int, first_name text)",
            "users has no column is_active, joined_at",
        ),
        (
            """CREATE TABLE users (id int, first_name int, last_name int, is_active int,
                                   joined_at timestamptz)""",
            "users.joined_at is of type TIMESTAMP WITH TIME ZONE",
        ),
    ],
)
def test_tables_of_something_else_are_refused(
    empty_database: Database, tables: str, message: str
) -> None:
    empty_database.execute(tables)

    with pytest.raises(ServiceError, match="the database has tables, but not") as refusal:
        schema.upgrade(create_engine(empty_database.url, poolclass=NullPool))

    assert message in str(refusal.value)
    assert empty_database.rows("SELECT to_regclass('daily_visits')") == [(None,)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("ALTER user_id DROP NOT NULL", "tokens.user_id may be null"),
        ("ALTER created_at DROP NOT NULL", "tokens.created_at may be null"),
        ("ALTER user_id TYPE bigint", "tokens.user_id is of type BIGINT, not integer"),
    ],
)
def test_tables_whose_rows_the_rollups_could_not_hold_are_refused(
    older_database: Database, older_engine: Engine, change: str, message: str
) -> None:
    """They were adopted, and from then on a write of such a row failed."""
    older_database.execute(f"ALTER TABLE tokens {change}")

    with pytest.raises(ServiceError, match=message):
        schema.upgrade(older_engine)

    assert older_database.rows("SELECT to_regclass('daily_visits')") == [(None,)]


@pytest.mark.parametrize(
    "statement", ["CREATE TABLE daily_visits ()", "CREATE VIEW exact_daily_visits AS SELECT 1"]
)
def test_a_name_that_is_taken_is_told_in_a_sentence(
    older_database: Database, older_engine: Engine, statement: str
) -> None:
    older_database.execute(statement)

    with pytest.raises(ServiceError, match=r'the database refuses: relation ".*" already') as taken:
        schema.upgrade(older_engine)

    assert "rename it" in taken.value.hint


def test_a_role_that_owns_nothing_is_told_so(older_database: Database) -> None:
    older_database.execute(
        "DROP ROLE IF EXISTS stranger",
        "CREATE ROLE stranger LOGIN PASSWORD 'x'",
        "GRANT CREATE ON SCHEMA public TO stranger",
    )
    url = older_database.url.set(username="stranger", password="x")
    try:
        with pytest.raises(ServiceError, match="must be owner of table tokens") as refusal:
            schema.upgrade(create_engine(url, poolclass=NullPool))
        assert "role that owns" in refusal.value.hint
    finally:
        older_database.execute("DROP OWNED BY stranger", "DROP ROLE stranger")


def test_no_database_is_waited_for_and_then_named(empty_database: Database) -> None:
    url = empty_database.url.set(port=1)
    said: list[str] = []

    engine = create_engine(url, poolclass=NullPool)
    with pytest.raises(DatabaseAway, match="no database after 0 s"):
        schema.upgrade(engine, progress=said.append, patience=0.3)

    assert said[0].startswith("Waiting up to 0 s for the database")


def test_each_reason_to_wait_is_said_once_with_what_the_driver_says(
    empty_database: Database,
) -> None:
    reasons = ["connection refused", "connection refused", "starting up"]
    said: list[str] = []

    def connect() -> NoReturn:
        raise DatabaseAway("the database can't be reached", hint=reasons.pop(0) if reasons else "?")

    engine = create_engine(empty_database.url, creator=connect, poolclass=NullPool)
    with pytest.raises(DatabaseAway, match="no database after 2 s"):
        schema.upgrade(engine, progress=said.append, patience=2)

    waiting = "Waiting up to 2 s for the database: the database can't be reached"
    assert said[:3] == [f"{waiting}: {why}" for why in ("connection refused", "starting up", "?")]
