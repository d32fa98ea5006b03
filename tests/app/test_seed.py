"""Demo data: the same for the same plan, believable, and never mixed with somebody's own."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from coworking import rollups
from coworking.errors import ServiceError
from coworking.seed import Plan, sow
from tests.app.versions import BOTH

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from tests.app.conftest import Database

PLAN = Plan(users=300, tokens=30_000, days=200, seed=7, end=date(2026, 6, 1))
FINGERPRINT = """
    SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM tokens),
           (SELECT md5(string_agg(u::text, ',' ORDER BY id)) FROM users u),
           (SELECT md5(string_agg(t::text, ',' ORDER BY id)) FROM tokens t)
"""


@BOTH
def test_equal_plans_make_equal_rows_everywhere(
    postgres_version: int, database: Database, engine: Engine
) -> None:
    sow(engine, Plan(users=20, tokens=500, days=30, seed=1, end=date(2026, 6, 1)))

    # Were this to change, everyone's screenshots and figures would.
    assert database.rows(FINGERPRINT) == [
        (20, 500, "34f5818767fd418fd5013bc679b32cf2", "635b2d8e79a1f863a2f943aceb35cb01")
    ]


def test_another_seed_makes_other_rows(database: Database, engine: Engine) -> None:
    sow(engine, Plan(users=20, tokens=500, days=30, seed=1, end=date(2026, 6, 1)))
    one = database.rows(FINGERPRINT)

    sow(engine, Plan(users=20, tokens=500, days=30, seed=2, end=date(2026, 6, 1)), replace=True)

    assert one[0][:2] == database.rows(FINGERPRINT)[0][:2]
    assert one[0][3] != database.rows(FINGERPRINT)[0][3]


@pytest.mark.thorough
def test_the_rhythm_is_believable(database: Database, engine: Engine) -> None:
    sow(engine, PLAN)

    weekdays = dict(
        database.rows(
            "SELECT extract(isodow FROM created_at)::int, count(*) FROM tokens GROUP BY 1"
        )
    )
    hours = dict(
        database.rows("SELECT extract(hour FROM created_at)::int, count(*) FROM tokens GROUP BY 1")
    )
    assert min(weekdays[day] for day in range(1, 6)) > 2 * max(weekdays[6], weekdays[7])
    assert hours[9] > 2 * hours[12] < hours[13] < hours[9]
    shares = """
        SELECT avg((used_at IS NULL)::int) BETWEEN 0.08 AND 0.1,
               avg((used_at < created_at)::int) BETWEEN 0.05 AND 0.1,
               max(created_at - used_at) BETWEEN '3 minutes' AND '6 minutes',
               avg((created_at < joined_at)::int) BETWEEN 0.001 AND 0.05,
               min(created_at) >= '2025-11-13' AND max(created_at) < '2026-06-01'
        FROM tokens JOIN users ON users.id = user_id
    """
    assert database.rows(shares) == [(True, True, True, True, True)]
    people = """
        SELECT count(*) FILTER (WHERE last IS NULL) BETWEEN 10 AND 50,
               count(*) FILTER (WHERE last < '2026-05-02') BETWEEN 50 AND 150,
               count(*) FILTER (WHERE joined_at > '2026-01-01') BETWEEN 50 AND 200
        FROM users LEFT JOIN (SELECT user_id, max(used_at) AS last FROM tokens GROUP BY 1) came
             ON users.id = user_id
    """
    assert database.rows(people) == [(True, True, True)]


@pytest.mark.parametrize("name", ["Pacific/Kiritimati", "America/New_York", "Asia/Kathmandu"])
def test_the_mornings_are_busy_in_the_place_s_own_zone(
    name: str, database: Database, engine: Engine
) -> None:
    end = date(2026, 4, 1)  # New York's clocks change in these days

    sow(engine, Plan(users=50, tokens=4_000, days=40, seed=7, end=end, zone=ZoneInfo(name)))

    local = f"(created_at AT TIME ZONE 'UTC' AT TIME ZONE '{name}')"
    found = database.rows(
        f"SELECT min(extract(hour FROM {local})), max(extract(hour FROM {local})),"
        f" mode() WITHIN GROUP (ORDER BY extract(hour FROM {local})),"
        f" min({local}::date), max({local}::date) FROM tokens"
    )
    assert found[0][:2] == (6, 21)
    assert found[0][2] in (8, 9)
    assert found[0][3:] == (date(2026, 2, 20), date(2026, 3, 31))


def test_the_rollups_are_folded_and_right_and_the_indexes_are_back(
    database: Database, engine: Engine
) -> None:
    indexes = "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'tokens' ORDER BY 1"
    before = database.rows(indexes)
    counted: list[int] = []

    sow(engine, PLAN, progress=counted.append)

    assert rollups.differences(engine).total == 0
    assert database.rows("SELECT (SELECT count(*) FROM user_deltas)") == [(0,)]
    assert database.rows(indexes) == before
    assert sum(counted) == PLAN.users + PLAN.tokens
    database.execute("INSERT INTO users (first_name, last_name, joined_at) VALUES ('', '', now())")
    assert database.rows("SELECT max(id) FROM users") == [(PLAN.users + 1,)]


@pytest.mark.parametrize("there", ["users", "tokens"])
def test_data_that_is_there_is_neither_mixed_nor_lost(
    database: Database, engine: Engine, there: str
) -> None:
    database.execute("INSERT INTO users (first_name, last_name, joined_at) VALUES ('', '', now())")
    if there == "tokens":
        database.execute("INSERT INTO tokens (user_id, token) VALUES (1, 'x')")
    before = database.rows(FINGERPRINT)

    with pytest.raises(ServiceError, match="has data already") as refusal:
        sow(engine, PLAN)

    assert "--replace" in refusal.value.hint
    assert database.rows(FINGERPRINT) == before


@pytest.mark.parametrize(("users", "tokens", "days"), [(0, 0, 1), (1, 0, 1), (1, 1, 1), (3, 50, 8)])
def test_a_tiny_plan_is_followed_to_the_letter(
    database: Database, engine: Engine, users: int, tokens: int, days: int
) -> None:
    sow(engine, Plan(users, tokens, days, seed=3, end=date(2026, 6, 1)))

    assert database.rows(FINGERPRINT)[0][:2] == (users, tokens)


def test_tokens_without_users_are_refused(engine: Engine) -> None:
    with pytest.raises(ServiceError, match="5 tokens need users, and users is 0"):
        sow(engine, Plan(users=0, tokens=5, days=3, seed=1, end=date(2026, 6, 1)))
