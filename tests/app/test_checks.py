"""Writes that bypass the rollups are noticed within one rotation, and nothing else is."""

from __future__ import annotations

import os
from random import Random
from typing import TYPE_CHECKING

import pytest

from coworking import rollups
from coworking.checks import RollupChecks

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Engine

    from tests.app.conftest import Database

# On 15 in `make test-long`: 34 rotations are half a minute, and what they run is the same SQL.
VERSIONS = [pytest.param(15, marks=pytest.mark.thorough), 18]
BOTH = pytest.mark.parametrize("postgres_version", VERSIONS, indirect=True)
SEED = int(os.environ.get("CHECKS_SEED", "20261"))
USERS = """
    INSERT INTO users (first_name, last_name, joined_at)
    SELECT 'a', 'b', '2025-01-01' FROM generate_series(1, 40)
"""
ROWS = """
    INSERT INTO tokens (user_id, token, created_at, used_at)
    SELECT 1 + g % 40, 'x', timestamp '2026-01-05' + g * interval '3 hours',
           CASE WHEN g % 9 > 0 THEN timestamp '2026-01-05' + g * interval '181 minutes' END
    FROM generate_series(1, 400) g
"""
ONE = """
    INSERT INTO tokens (user_id, token, created_at, used_at)
    SELECT user_id, 'x', created_at, used_at FROM tokens ORDER BY random() LIMIT 1
"""
# What an applying subscriber leaves: rows that fired no trigger, and every trigger in its place.
QUIETLY = """
    ALTER TABLE tokens DISABLE TRIGGER USER; {};
    ALTER TABLE tokens ENABLE ALWAYS TRIGGER rollups_inserted,
        ENABLE ALWAYS TRIGGER rollups_updated, ENABLE ALWAYS TRIGGER rollups_deleted,
        ENABLE ALWAYS TRIGGER rollups_truncated
"""
RECREATED = """
    ALTER TABLE tokens RENAME TO tokens_before;
    CREATE TABLE tokens (LIKE tokens_before INCLUDING DEFAULTS);
    INSERT INTO tokens SELECT * FROM tokens_before WHERE id > 7
"""
PARTITIONED = """
    ALTER TABLE tokens RENAME TO tokens_all;
    CREATE TABLE tokens (LIKE tokens_all INCLUDING DEFAULTS) PARTITION BY RANGE (id);
    ALTER TABLE tokens ATTACH PARTITION tokens_all DEFAULT
"""
BYPASSES = {
    "a trigger is off": "ALTER TABLE tokens DISABLE TRIGGER rollups_inserted",
    "a trigger is gone": "DROP TRIGGER rollups_truncated ON tokens",
    "a restore of data alone": f"""
        ALTER TABLE tokens DISABLE TRIGGER ALL; {ONE}; ALTER TABLE tokens ENABLE TRIGGER ALL""",
    "rows are replicated": QUIETLY.format(ONE),
    "a check-in is replicated": QUIETLY.format(
        """UPDATE tokens SET used_at = created_at + interval '1 day'
           WHERE id = (SELECT min(id) FROM tokens WHERE used_at IS NULL)"""
    ),
    "a date of issue is replicated": QUIETLY.format(
        """UPDATE tokens SET created_at = created_at - interval '1 day'
           WHERE id = (SELECT max(id) FROM tokens)"""
    ),
    "a deletion is replicated": QUIETLY.format(
        "DELETE FROM tokens WHERE id = (SELECT max(id) FROM tokens)"
    ),
    "renamed and made again": RECREATED,
    "renamed, and all copied with triggers": RECREATED
    + """; CREATE TRIGGER rollups_inserted AFTER INSERT ON tokens REFERENCING NEW TABLE AS added
           FOR EACH STATEMENT EXECUTE FUNCTION tokens_inserted();
         SELECT rollup_triggers()""",
    "partitioned": PARTITIONED,
    "a trigger of users is off": "ALTER TABLE users DISABLE TRIGGER members_updated",
    "users are replicated": """
        ALTER TABLE users DISABLE TRIGGER USER; UPDATE users SET is_active = false WHERE id = 7;
        ALTER TABLE users ENABLE ALWAYS TRIGGER members_inserted,
            ENABLE ALWAYS TRIGGER members_updated, ENABLE ALWAYS TRIGGER members_deleted,
            ENABLE ALWAYS TRIGGER members_truncated""",
    "a set of an hour is changed": """
        UPDATE member_sets SET members = ~ members
        WHERE unit = 'hour' AND start = (SELECT min(start) FROM member_sets WHERE unit = 'hour')""",
    "a set of a month is lost": """
        DELETE FROM member_sets WHERE unit = 'month'
            AND start = (SELECT min(start) FROM member_sets WHERE unit = 'month')""",
    "a rollup is changed": "UPDATE user_visits SET visits = visits + 1 WHERE user_id = 7",
}
QUICK = {"a trigger is off", "rows are replicated", "renamed and made again", "a rollup is changed"}


@pytest.fixture
def checks() -> RollupChecks:
    """Checks whose rotation has 7 steps."""
    return RollupChecks(fold_seconds=43_200 / 8)


def rotation(checks: RollupChecks, engine: Engine, database: Database) -> list[str | None]:
    """What each check of one whole rotation says, with writes between them."""
    said = []
    for _ in range(2 * checks.steps + 1):
        said.append(checks.look(engine))
        database.execute(ONE)
        rollups.fold(engine)
    return said


@pytest.mark.thorough
@BOTH
@pytest.mark.parametrize(
    "bypass",
    [pytest.param(each, marks=[pytest.mark.thorough] * (each not in QUICK)) for each in BYPASSES],
)
def test_a_bypass_is_noticed_within_one_rotation_and_a_rebuild_repairs_it(
    postgres_version: int, database: Database, engine: Engine, checks: RollupChecks, bypass: str
) -> None:
    database.execute(USERS, ROWS)
    rollups.fold(engine)
    assert checks.look(engine) is None
    began = database.rows("SELECT now()")[0][0]

    database.execute(BYPASSES[bypass])
    said = rotation(checks, engine, database)

    assert said[-1] is not None, "it was not noticed"
    noted = "SELECT fault IS NOT NULL, not_verified_since <= '{}' FROM rollup_checks"
    assert database.rows(noted.format(began)) == [(True, True)]
    assert rollups.differences(engine).total > 0
    rollups.rebuild(engine)
    assert database.rows("SELECT not_verified_since, fault FROM rollup_checks") == [(None, None)]
    assert rotation(checks, engine, database) == [None] * (2 * checks.steps + 1)
    assert rollups.differences(engine).total == 0


def test_verify_certifies_nothing_of_another_table(database: Database, engine: Engine) -> None:
    """After a rename `verify` compared the old table with itself, and said that all was well."""
    database.execute(USERS, ROWS, RECREATED)

    found = [str(each) for each in rollups.differences(engine).listed]

    assert "tokens view exact_user_visits: expected of tokens, got of another" in found
    rollups.rebuild(engine)
    assert rollups.differences(engine).total == 0
    database.execute("DELETE FROM tokens_before WHERE id = 8")
    assert rollups.differences(engine).total == 0, "the old table still counts"
    assert database.rows("SELECT sum(visits) FROM exact_user_visits") == [(393,)]


def test_a_table_that_is_gone_with_its_views_is_noticed_and_repaired(
    database: Database, engine: Engine, checks: RollupChecks
) -> None:
    database.execute(USERS, ROWS, "CREATE TABLE copy (LIKE tokens INCLUDING ALL)")
    database.execute("INSERT INTO copy SELECT * FROM tokens")
    database.execute("DROP TABLE tokens CASCADE")
    assert checks.look(engine) == "tokens table: expected a table, got nothing"

    database.execute("ALTER TABLE copy RENAME TO tokens")
    assert checks.look(engine) is not None
    rollups.rebuild(engine)

    assert checks.look(engine) is None
    assert rollups.differences(engine).total == 0


def test_a_subscription_to_tokens_is_a_bypass(database: Database, engine: Engine) -> None:
    name = f"moving_{database.name}"
    database.execute(
        f"CREATE SUBSCRIPTION {name} CONNECTION 'dbname=nowhere' PUBLICATION all_tables"
        " WITH (connect = false, slot_name = NONE)",
        "INSERT INTO pg_subscription_rel SELECT oid, 'tokens'::regclass, 'r', NULL"
        f" FROM pg_subscription WHERE subname = '{name}'",
    )
    try:
        with engine.connect() as connection:
            found = [str(each) for each in rollups.bypasses(connection)]
    finally:
        database.execute(f"DROP SUBSCRIPTION {name}")
    assert found == ["subscription of tokens: expected none, got one, whose rows fire no trigger"]


def test_a_fault_that_is_gone_by_itself_stays_until_all_was_compared(
    database: Database, engine: Engine, checks: RollupChecks
) -> None:
    database.execute(USERS, ROWS)
    rollups.fold(engine)
    database.execute("ALTER TABLE tokens DISABLE TRIGGER rollups_inserted")
    checks.look(engine)
    database.execute("ALTER TABLE tokens ENABLE ALWAYS TRIGGER rollups_inserted")

    said = rotation(checks, engine, database)

    assert said[-2] is not None
    assert said[-1] is None


def test_another_process_goes_on_where_one_stopped(database: Database, engine: Engine) -> None:
    """Or a rotation would never come to an end while leaders change; this is two of them."""
    database.execute(USERS, ROWS)
    rollups.fold(engine)
    steps = 2 * (2 * RollupChecks(43_200 / 8).steps + 1)
    ends = "SELECT whole_since FROM rollup_checks"
    before = database.rows(ends)
    for _ in range(steps):
        assert RollupChecks(43_200 / 8, write_every=0).look(engine) is None

    assert database.rows(ends) > before


def test_a_check_writes_nothing_while_nothing_is_wrong(
    database: Database, engine: Engine, checks: RollupChecks
) -> None:
    """Each write makes every kept answer void."""
    database.execute(USERS, ROWS)
    checks.look(engine)
    before = database.rows("SELECT xmin FROM rollup_checks")
    checks.look(engine)

    assert database.rows("SELECT xmin FROM rollup_checks") == before


@pytest.mark.parametrize(("seconds", "folds"), [(0.1, 501), (30, 501), (3600, 11), (86_400, 3)])
def test_a_rotation_ends_within_half_a_day_where_folds_allow_it(seconds: float, folds: int) -> None:
    assert 2 * RollupChecks(seconds).steps + 1 == folds


@pytest.mark.thorough
@BOTH
def test_bypasses_planted_at_random_are_all_noticed(
    postgres_version: int, database: Database, engine: Engine, checks: RollupChecks
) -> None:
    """Between random writes and folds; CHECKS_SEED=n repeats a run."""
    draw = Random(SEED)
    database.execute(USERS, ROWS)
    rollups.fold(engine)
    writes: list[Callable[[], str]] = [
        lambda: ONE,
        lambda: "UPDATE tokens SET used_at = created_at WHERE id % 50 = 3",
        lambda: f"DELETE FROM tokens WHERE id % 90 = {draw.randint(0, 89)}",
        lambda: f"UPDATE tokens SET user_id = {draw.randint(1, 40)} WHERE id % 70 = 5",
    ]
    kinds = [name for name in BYPASSES if "tokens_" not in BYPASSES[name].lower().split("(")[0]]
    for _ in range(4):
        for _ in range(draw.randint(2, 6)):
            database.execute(draw.choice(writes)())
            assert checks.look(engine) is None, f"CHECKS_SEED={SEED}"
        kind = draw.choice(kinds)
        database.execute(BYPASSES[kind])
        said = []
        for _ in range(2 * checks.steps + 1):
            database.execute(draw.choice(writes)())
            rollups.fold(engine)
            said.append(checks.look(engine))
        assert said[-1] is not None, f"CHECKS_SEED={SEED}: {kind} was not noticed"
        rollups.rebuild(engine)
