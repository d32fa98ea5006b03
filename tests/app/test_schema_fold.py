"""A database of an earlier revision gets the fold of this one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coworking import rollups, schema
from tests.app.versions import BOTH

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from tests.app.conftest import Database


@BOTH
def test_a_database_at_0008_gets_the_present_fold(
    postgres_version: int, older_database: Database, older_engine: Engine
) -> None:
    older_database.execute(
        "INSERT INTO users VALUES (1, '', '', '2026-01-01')",
        "INSERT INTO tokens (user_id, token, used_at) SELECT 1, 'x', timestamp '2026-01-01'"
        " + g * interval '61 minutes' FROM generate_series(1, 2000) g",
    )
    schema.upgrade(older_engine, "0008")
    body = "SELECT prosrc FROM pg_proc WHERE proname = 'rollup_fold'"
    present = older_database.rows(body)
    older_database.execute(
        "CREATE OR REPLACE FUNCTION rollup_fold(out days bigint, out users bigint, "
        "out quarters bigint) LANGUAGE plpgsql AS 'BEGIN days = 0; END'"
    )

    schema.upgrade(older_engine)

    assert older_database.rows(body) == present
    older_database.execute("DELETE FROM tokens WHERE id % 3 = 0")
    rollups.fold(older_engine)
    assert rollups.differences(older_engine).total == 0
