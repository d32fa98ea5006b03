"""What `make bench` counts: it finds a wrong set of members, and leaves the database as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bench import counts
from coworking import rollups

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from tests.app.conftest import Database

UNFOLDED = "SELECT count(*) FROM token_deltas"
USERS = """
    INSERT INTO users (first_name, last_name, joined_at)
    SELECT 'a', 'b', '2025-01-01' FROM generate_series(1, 40)
"""
TOKENS = """
    INSERT INTO tokens (user_id, token, created_at, used_at)
    SELECT 1 + g % 40, 'x', at, at FROM generate_series(1, 3000) g,
           LATERAL (SELECT timestamp '2025-01-01 06:00' + g * interval '170 minutes') AS t(at)
"""


def test_it_finds_sets_that_are_wrong(database: Database, engine: Engine) -> None:
    database.execute(USERS, TOKENS)
    rollups.fold(engine)
    assert counts.differing_ranges(engine, 30, 365) == 0

    database.execute("UPDATE member_sets SET members = ~ members WHERE unit = 'day'")

    assert counts.differing_ranges(engine, 30, 365) > 10


@pytest.mark.thorough
def test_the_fold_it_times_moves_every_change_and_leaves_all_as_it_was(
    database: Database, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.execute(USERS, TOKENS)
    rows = "SELECT count(*), sum(hashtext(t::text)) FROM tokens t"
    before = database.rows(rows)
    folded: list[int] = []
    fold = rollups.fold

    def counted(engine: Engine) -> rollups.FoldResult:
        folded.append(int(str(database.rows(UNFOLDED)[0][0])))
        return fold(engine)

    monkeypatch.setattr(rollups, "fold", counted)

    assert counts.fold_seconds(engine) > 0

    assert folded[1] == counts.CHANGES
    assert database.rows(rows) == before
    assert rollups.differences(engine).total == 0
