"""Rollups, deltas, folds and rebuilds, one promise at a time (all at once: test_exactness.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from coworking import rollups

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from tests.app.conftest import Database

BOTH = pytest.mark.parametrize("postgres_version", [15, 18], indirect=True)
REPORTS = ("daily_visits", "user_visits", "quarter_hours")
USERS = """
    INSERT INTO users (first_name, last_name, joined_at)
    SELECT 'a', 'b', '2025-01-01' FROM generate_series(1, 20)
"""
SMALL = """
    INSERT INTO tokens (user_id, token, created_at, used_at) VALUES
    (1, 'a', '2026-01-05 08:59:59', '2026-01-05 09:00:00'), (2, 'b', '2026-01-05 09:07', NULL)
"""
LARGE = """
    INSERT INTO tokens (user_id, token, created_at, used_at)
    SELECT 1 + g % 20, g::text, timestamp '2026-01-05 08:00' + g * interval '7 minutes',
           CASE WHEN g % 10 <> 0 THEN timestamp '2026-01-05 07:58' + g * interval '7 minutes' END
    FROM generate_series(1, 500) g
"""


def exact(database: Database) -> bool:
    """Whether the three views equal the plain queries."""
    return all(
        database.rows(f"SELECT r::text FROM exact_{name} r ORDER BY 1")
        == database.rows(f"SELECT r::text FROM true_{name} r ORDER BY 1")
        for name in REPORTS
    )


@BOTH
@pytest.mark.parametrize(
    "change",
    [
        SMALL,
        LARGE,
        "DELETE FROM tokens WHERE id = 3",
        "DELETE FROM tokens WHERE user_id < 5",
        "UPDATE tokens SET used_at = '2026-02-01 12:00' WHERE used_at IS NULL",
        "UPDATE tokens SET used_at = NULL WHERE id % 3 = 0",
        "UPDATE tokens SET user_id = user_id % 20 + 1",
        "UPDATE tokens SET created_at = created_at - interval '1 month' WHERE id < 5",
        "UPDATE tokens SET used_at = used_at + interval '1 day'",
        "TRUNCATE tokens RESTART IDENTITY",
        "TRUNCATE users CASCADE",
        "INSERT INTO tokens SELECT * FROM tokens ON CONFLICT (id) DO UPDATE SET used_at = NULL",
        """MERGE INTO tokens t USING generate_series(1, 600, 3) g ON t.id = g
           WHEN MATCHED AND g % 2 = 0 THEN DELETE
           WHEN MATCHED THEN UPDATE SET used_at = '2026-03-01'
           WHEN NOT MATCHED THEN INSERT (user_id, token, created_at) VALUES (7, 'm', now())""",
    ],
)
def test_a_change_is_seen_at_once_and_after_a_fold(
    postgres_version: int, database: Database, engine: Engine, change: str
) -> None:
    database.execute(USERS, SMALL, LARGE)
    rollups.fold(engine)
    database.execute(SMALL, change)

    assert exact(database)
    rollups.fold(engine)
    assert exact(database)
    assert rollups.differences(engine).total == 0


@BOTH
@pytest.mark.parametrize(
    "moment",
    [
        "infinity",
        "-infinity",
        "4714-11-24 00:00 BC",
        "0044-03-15 12:00 BC",
        "294276-12-31 23:59:59.999999",
        "1999-12-31 23:45",
        "0001-01-01",
    ],
)
def test_any_moment_that_a_token_may_have_is_counted(
    postgres_version: int, database: Database, engine: Engine, moment: str
) -> None:
    columns = "(user_id, token, created_at, used_at)"
    insert = f"INSERT INTO tokens {columns} VALUES (1, 'x', '{moment}', '{moment}')"
    database.execute(USERS, insert, insert)

    assert exact(database)
    rollups.fold(engine)
    rollups.rebuild(engine)
    assert exact(database)
    assert database.rows("SELECT visits FROM exact_daily_visits") == [(2,)]
    assert database.rows(
        f"SELECT check_ins, '{moment}' - start < '15 minutes' FROM exact_quarter_hours"
        " WHERE isfinite(start)"
    ) in ([(2, True)], [])
