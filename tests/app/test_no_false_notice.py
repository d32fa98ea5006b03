"""While nothing bypasses the rollups, the checks say nothing, whatever else is done to the data."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest

from coworking import rollups
from coworking.checks import RollupChecks
from tests.app.test_checks import ONE, ROWS, SEED, USERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Engine

    from tests.app.conftest import Database

EARLIER = "UPDATE tokens SET created_at = created_at - interval '{0} hours' WHERE id % 90 = {1}"
ROLLED_BACK = f"DO $$ BEGIN {ONE}; RAISE division_by_zero; EXCEPTION WHEN OTHERS THEN END $$"


def operations(
    draw: Random, database: Database, engine: Engine
) -> dict[str, tuple[int, Callable[[], object]]]:
    """What may be done, and how often among all; no statement leaves the triggers out."""

    def sql(statement: str) -> Callable[[], object]:
        return lambda: database.execute(statement.format(draw.randint(0, 89), draw.randint(1, 40)))

    return {
        "insert": (30, sql(ONE)),
        "insert at once": (6, sql(ONE.replace("LIMIT 1", "LIMIT {0}"))),
        "use": (12, sql("UPDATE tokens SET used_at = created_at WHERE id % 90 = {0}")),
        "unuse": (4, sql("UPDATE tokens SET used_at = NULL WHERE id % 90 = {0}")),
        "move in time": (
            *(6,),
            sql(
                "UPDATE tokens SET created_at = created_at - interval '{0} hours' WHERE id % 90 = 7"
            ),
        ),
        "move to another member": (6, sql("UPDATE tokens SET user_id = {1} WHERE id % 90 = {0}")),
        "delete": (12, sql("DELETE FROM tokens WHERE id % 90 = {0}")),
        "roll back": (4, sql(ROLLED_BACK)),
        "empty and fill": (1, lambda: database.execute("TRUNCATE tokens", ROWS)),
        "analyze": (1, sql("ANALYZE tokens")),
        "fold": (10, lambda: rollups.fold(engine)),
        "rebuild": (1, lambda: rollups.rebuild(engine)),
    }


@pytest.mark.thorough
@pytest.mark.timeout(900)
@pytest.mark.parametrize("count", [100, 5_000])
def test_there_is_no_false_notice_without_a_bypass(
    database: Database, engine: Engine, count: int
) -> None:
    """CHECKS_SEED=n repeats a run; each operation is followed by a check as after a fold."""
    draw, checks = Random(SEED), RollupChecks(fold_seconds=43_200 / 8)
    database.execute(USERS, ROWS)
    possible = operations(draw, database, engine)
    weights = [often for often, _ in possible.values()]

    for number in range(count):
        (name,) = draw.choices(list(possible), weights)
        possible[name][1]()
        assert checks.look(engine) is None, f"CHECKS_SEED={SEED}: {number} {name}"

    assert rollups.differences(engine).total == 0
    database.execute("ALTER TABLE tokens DISABLE TRIGGER rollups_inserted")
    assert checks.look(engine) is not None, "nothing at all is noticed"
