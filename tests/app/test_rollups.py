"""Rollups, deltas, folds and rebuilds, one promise at a time (all at once: test_exactness.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from psycopg2 import errors

from coworking import rollups
from tests.app.versions import BOTH

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from tests.app.conftest import Database

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
    got, expected = (
        " UNION ALL ".join(f"SELECT '{name}', r::text FROM {kind}_{name} r" for name in REPORTS)
        for kind in ("exact", "true")
    )
    return database.rows(f"{got} ORDER BY 1, 2") == database.rows(f"{expected} ORDER BY 1, 2")


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


def test_a_write_that_changes_nothing_leaves_no_delta(database: Database, engine: Engine) -> None:
    database.execute(USERS, SMALL, LARGE)
    rollups.fold(engine)

    database.execute(
        "UPDATE tokens SET token = 'new'",
        "UPDATE users SET first_name = 'new', is_active = is_active",
        "UPDATE tokens SET used_at = used_at, created_at = created_at WHERE id = 1",
        "DELETE FROM tokens WHERE false",
        "INSERT INTO tokens SELECT * FROM tokens ON CONFLICT DO NOTHING",
    )

    counts = [database.rows(f"SELECT count(*) FROM {table}") for table in rollups.DELTAS]
    assert counts == [[(0,)]] * len(rollups.DELTAS)


def test_a_large_statement_leaves_sums_and_a_small_one_its_rows(database: Database) -> None:
    counts = """SELECT (SELECT count(*) FROM quarter_deltas), (SELECT count(*) FROM user_deltas),
                       (SELECT count(*) FROM token_deltas)"""
    same_hour = """INSERT INTO tokens (user_id, token, created_at, used_at)
                   SELECT 1 + g % 2, 'x', '2026-01-05 08:01', '2026-01-05 08:20'
                   FROM generate_series(1, {}) g"""
    database.execute(USERS, same_hour.format(1000))
    assert database.rows(counts) == [(2, 2, 0)]

    database.execute(same_hour.format(8))
    assert database.rows(counts) == [(2, 2, 8)]


def test_rows_that_reach_zero_are_gone(database: Database, engine: Engine) -> None:
    database.execute(USERS, SMALL, LARGE)
    rollups.fold(engine)
    database.execute("DELETE FROM tokens")

    assert database.rows("SELECT count(*) FROM exact_user_visits") == [(0,)]
    rollups.fold(engine)
    assert [database.rows(f"SELECT count(*) FROM {table}") for table in rollups.ROLLUPS] == [
        [(0,)],
        [(0,)],
        [(0,)],
    ]


@pytest.mark.parametrize("folded", [False, True], ids=["unfolded", "folded"])
def test_the_first_check_in_moves_when_the_earliest_token_goes(
    database: Database, engine: Engine, folded: bool
) -> None:
    first = "SELECT first_check_in::text FROM exact_user_visits WHERE user_id = 1"
    token = "INSERT INTO tokens (user_id, token, used_at) VALUES (1, 'x', '2026-01-0{} 10:00')"
    database.execute(USERS, *(token.format(day) for day in (3, 2, 2, 5)))
    if folded:
        rollups.fold(engine)

    seen = []
    for change in (
        "DELETE FROM tokens WHERE id = 2",  # another one has the same moment
        "DELETE FROM tokens WHERE id = 3",
        "UPDATE tokens SET used_at = NULL WHERE id = 1",
        token.format(4),
        "UPDATE tokens SET used_at = NULL",
    ):
        database.execute(change)
        if folded:
            rollups.fold(engine)
        seen.append(database.rows(first)[0][0])

    assert seen == [f"2026-01-0{day} 10:00:00" for day in (2, 3, 5, 4)] + [None]


def test_a_role_that_may_only_write_tokens_still_can(database: Database, engine: Engine) -> None:
    role = f"writer_of_{database.name}"
    database.execute(
        USERS,
        f"CREATE ROLE {role}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON tokens TO {role}",
        f"GRANT USAGE ON SEQUENCE tokens_id_seq TO {role}",
    )
    try:
        database.execute(f"SET ROLE {role}; {SMALL}; {LARGE}; DELETE FROM tokens WHERE id < 9")
        assert exact(database)
        database.execute(f"SET ROLE {role}; TRUNCATE tokens")
        assert exact(database)
    finally:
        database.execute(f"DROP OWNED BY {role}", f"DROP ROLE {role}")


def test_a_hostile_search_path_changes_nothing(database: Database) -> None:
    database.execute(
        USERS,
        "CREATE SCHEMA evil",
        "CREATE TABLE evil.token_deltas (LIKE public.token_deltas)",
        "SET search_path = evil, public; " + SMALL,
    )

    assert exact(database)


def test_writes_count_where_ordinary_triggers_are_off(database: Database) -> None:
    database.execute(USERS, f"SET session_replication_role = replica; {LARGE}")

    assert exact(database)


def test_a_prepared_transaction_counts_when_it_is_committed(
    database: Database, engine: Engine
) -> None:
    name = f"later_{database.name}"
    database.execute(USERS, f"BEGIN; {SMALL}; PREPARE TRANSACTION '{name}'")
    rollups.fold(engine)
    rollups.rebuild(engine)
    assert database.rows("SELECT count(*) FROM exact_user_visits") == [(0,)]

    database.execute(f"COMMIT PREPARED '{name}'")

    assert database.rows("SELECT user_id, visits FROM exact_user_visits") == [(1, 1), (2, 1)]


def test_differences_are_named_and_a_rebuild_mends_them(database: Database, engine: Engine) -> None:
    database.execute(USERS, SMALL)
    rollups.fold(engine)
    database.execute(
        "UPDATE daily_visits SET visits = 7",
        "DELETE FROM user_visits WHERE user_id = 2",
        "INSERT INTO quarter_hours VALUES ('2020-01-01', 1, 2, 3)",
        "ALTER TABLE tokens DISABLE TRIGGER rollups_deleted",
        "DROP TRIGGER rollups_truncated ON tokens",
    )

    found = rollups.differences(engine)

    assert [str(each) for each in found.listed] == [
        "trigger rollups_deleted: expected always, got never",
        "trigger rollups_truncated: expected always, got nothing",
        'exact_daily_visits 2026-01-05: expected {"visits": 1}, got {"visits": 7}',
        'exact_user_visits 2: expected {"visits": 1, "first_check_in": null}, got nothing',
        "exact_quarter_hours 2020-01-01 00:00:00: expected nothing, got {}".format(
            '{"issued": 2, "unused": 3, "check_ins": 1}'
        ),
    ]
    assert found.total == 5
    rollups.rebuild(engine)
    assert rollups.differences(engine).total == 0
    database.execute("TRUNCATE tokens")
    assert exact(database)


def test_all_differences_are_counted_and_the_first_are_listed(
    database: Database, engine: Engine
) -> None:
    database.execute(
        "INSERT INTO daily_visits SELECT date '2026-01-01' + g, 1 FROM generate_series(0, 149) g"
    )

    found = rollups.differences(engine, limit=2)

    assert (found.total, [each.key for each in found.listed]) == (150, ["2026-01-01", "2026-01-02"])


def test_a_rebuild_is_refused_where_it_would_not_be_exact(database: Database) -> None:
    with pytest.raises(errors.RaiseException, match="REPEATABLE READ"):
        database.execute("SELECT rollup_rebuild()")


def test_deltas_take_no_more_room_however_many_there_were(
    database: Database, engine: Engine
) -> None:
    database.execute(USERS)
    size = "SELECT pg_relation_size('token_deltas')"
    sizes = []
    for _ in range(4):
        database.execute(*[SMALL] * 300)
        rollups.fold(engine)
        sizes.append(database.rows(size)[0][0])

    assert sizes[-1] <= 2 * sizes[0]


def test_what_a_large_load_leaves_in_the_deltas_is_given_back(
    database: Database, engine: Engine
) -> None:
    """Each report reads all pages of them, also those without a row."""
    database.execute(
        "INSERT INTO quarter_deltas SELECT '2026-01-01', 0, 0, 0 FROM generate_series(1, 80000)"
    )
    assert length(database) > rollups.SHRINK_BYTES

    rollups.rebuild(engine)

    assert length(database) == 0


def length(database: Database) -> int:
    """Bytes of the deltas of large statements, those of dead rows included."""
    ((found,),) = database.rows("SELECT pg_relation_size('quarter_deltas')")
    assert isinstance(found, int)
    return found
