"""The sets of members beside the release before, which knows nothing of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from coworking import rollups, schema
from tests.app.versions import BOTH

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from tests.app.conftest import Database

LAST = "0005"  # the newest revision of the release before
USERS = """
    INSERT INTO users (first_name, last_name, joined_at)
    SELECT 'a', 'b', '2025-01-01' FROM generate_series(1, 20)
"""
LARGE = """
    INSERT INTO tokens (user_id, token, created_at, used_at)
    SELECT 1 + g % 20, 'x', timestamp '2026-01-05 08:00' + g * interval '7 minutes',
           timestamp '2026-01-05 07:58' + g * interval '7 minutes' FROM generate_series(1, 500) g
"""
CHANGES = (
    "INSERT INTO tokens (user_id, token, used_at) VALUES (3, 'x', '2026-02-01 09:00')",
    "UPDATE tokens SET used_at = used_at + interval '1 day' WHERE id < 50",
    "DELETE FROM tokens WHERE user_id = 7",
    "UPDATE users SET is_active = false WHERE id = 8",
)
# What that release sends to the database, word for word.
FOLD = "SELECT * FROM public.rollup_fold()"
VACUUM = "VACUUM (ANALYZE False, TRUNCATE True) quarter_deltas, user_deltas, token_deltas"
REBUILD = """
    BEGIN ISOLATION LEVEL REPEATABLE READ;
    LOCK TABLE public.tokens IN ACCESS SHARE MODE; SELECT public.rollup_rebuild(); COMMIT
"""
EXACT = " UNION ALL ".join(f"SELECT '{name}', v::text FROM {{}}_{name} v" for name in rollups.KEYS)


def exact(database: Database) -> bool:
    """Whether the views equal the plain queries, which is all that the release before reads."""
    got, expected = (
        sorted(map(str, database.rows(EXACT.replace("{}", kind)))) for kind in ("exact", "true")
    )
    return bool(got) and got == expected


@BOTH
@pytest.mark.parametrize("after", [FOLD, REBUILD, VACUUM], ids=["fold", "rebuild", "vacuum"])
def test_pods_of_the_release_before_keep_the_sets(
    postgres_version: int, database: Database, engine: Engine, after: str
) -> None:
    """They fold and rebuild while a rollout goes on, or after a rollback."""
    database.execute(USERS, LARGE)
    rollups.fold(engine)
    for change in CHANGES:
        database.execute(change, after)
        assert exact(database)
        assert rollups.differences(engine).listed == []
    database.execute("TRUNCATE tokens", after)
    assert rollups.differences(engine).listed == []


@BOTH
def test_without_the_sets_the_release_before_goes_on_and_they_come_back(
    postgres_version: int, older_database: Database, older_engine: Engine
) -> None:
    """Changes that no fold has moved, of small and of large statements, survive both ways."""
    schema.upgrade(older_engine)
    older_database.execute(USERS, LARGE, *CHANGES)

    schema.downgrade(older_engine, LAST)

    assert exact(older_database)
    older_database.execute(*CHANGES, FOLD, VACUUM, LARGE, *CHANGES)
    assert exact(older_database)
    older_database.execute(REBUILD, *CHANGES)
    assert exact(older_database)
    schema.upgrade(older_engine)
    assert rollups.differences(older_engine).listed == []
    older_database.execute(*CHANGES, FOLD)
    assert rollups.differences(older_engine).listed == []


def test_a_member_s_sets_are_filled_while_everyone_writes(
    older_database: Database, older_engine: Engine
) -> None:
    """What is written between the triggers and the filling is in them too, folded or not."""
    schema.upgrade(older_engine, LAST)
    older_database.execute(USERS, LARGE)
    schema.upgrade(older_engine, "0007")
    older_database.execute(*CHANGES[:2], FOLD, *CHANGES[2:])
    assert exact(older_database)

    schema.upgrade(older_engine)

    assert rollups.differences(older_engine).listed == []
