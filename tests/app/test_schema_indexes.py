"""The indexes that the migrations make while everyone writes, also when one is interrupted."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import pytest

from coworking import rollups, schema
from tests.app.test_schema import held, revision
from tests.app.versions import BOTH

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from tests.app.conftest import Database


class Index(NamedTuple):
    """An index of the migrations, its table and number of columns, and the revision before it."""

    name: str
    table: str
    columns: int
    before: str


INDEXES = pytest.mark.parametrize(
    "index",
    [
        Index("tokens_used_at_user_id_index", "tokens", 2, "0001"),
        Index("users_joined_at_index", "users", 1, "0005"),
    ],
    ids=["tokens", "users"],
)
JOIN = "INSERT INTO users (first_name, last_name, joined_at) VALUES ('a', 'b', now())"
TERMINATE = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE query LIKE 'CREATE INDEX CONCURRENTLY %' AND datname = current_database()
"""


def valid(database: Database, name: str) -> list[tuple[object, ...]]:
    """Whether the index is valid and how many columns it has; nothing if there is none."""
    return database.rows(
        f"SELECT indisvalid, indnatts FROM pg_index WHERE indexrelid = to_regclass('{name}')"
    )


@INDEXES
def test_an_index_that_was_left_invalid_is_made_anew(
    older_database: Database, older_engine: Engine, index: Index
) -> None:
    schema.upgrade(older_engine, index.before)
    older_database.execute(
        f"CREATE INDEX {index.name} ON {index.table} (id, id, id)",
        f"UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{index.name}'::regclass",
    )

    schema.upgrade(older_engine)

    assert valid(older_database, index.name) == [(True, index.columns)]


@BOTH
@INDEXES
def test_a_migration_that_died_while_indexing_blocked_nobody_and_is_done_again(
    postgres_version: int, older_database: Database, older_engine: Engine, index: Index
) -> None:
    older_database.execute(JOIN)
    schema.upgrade(older_engine, index.before)

    # The index waits for a writer's end, and no other writer waits for the index.
    with (
        held(older_database, f"UPDATE {index.table} SET id = id", JOIN),
        ThreadPoolExecutor() as pool,
    ):
        upgrade = pool.submit(schema.upgrade, older_engine)
        deadline = time.monotonic() + 20
        while not valid(older_database, index.name) and time.monotonic() < deadline:
            time.sleep(0.01)
        older_database.execute(
            f"SET lock_timeout = '5s'; {JOIN}",
            "SET lock_timeout = '5s'; INSERT INTO tokens (user_id, token) VALUES (1, 'x')",
        )
        assert not upgrade.done()
        killed = older_database.rows(TERMINATE)
        with pytest.raises(Exception, match=r"terminat|closed|reconnect"):
            upgrade.result(timeout=20)

    assert killed == [(1,)]
    assert valid(older_database, index.name) == [(False, index.columns)]
    assert revision(older_engine) == index.before
    schema.upgrade(older_engine)
    assert valid(older_database, index.name) == [(True, index.columns)]
    assert rollups.differences(older_engine).total == 0
