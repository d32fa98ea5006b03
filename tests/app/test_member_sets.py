"""Counts of members by bitmaps equal the plain counts, whatever has changed and for every range."""

from __future__ import annotations

import contextlib
import os
import time
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from psycopg2 import errors
from sqlalchemy import text

from coworking import member_sets, rollups
from coworking.extent import naive
from coworking.member_sets import Counts, Span
from coworking.periods import Period
from coworking.pieces import Piece, joined_pieces, pieces
from tests.app.versions import BOTH

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from tests.app.conftest import Database

SEED = int(os.environ.get("MEMBERS_SEED", "20261"))
ZONES = (
    *("UTC", "Asia/Kolkata", "Pacific/Apia", "Europe/Berlin", "America/St_Johns"),
    *("Asia/Kathmandu", "Australia/Lord_Howe", "America/Los_Angeles", "Africa/Monrovia"),
)
RARE = ("infinity", "-infinity", "4714-11-24 BC", "294276-12-31 23:59:59", "1899-12-31 23:59")
# Ids are sparse and large; the numbers of their bits are not.
IDS = (1, 2, 3, 5, 8, 70_000, 70_001, 8_191, 8_192, 2_000_000_000, 2_147_483_647, 40)
PLAIN = text("""
    SELECT count(*) FILTER (WHERE here), count(*) FILTER (WHERE lately),
           count(*) FILTER (WHERE lately AND is_active), count(*) FILTER (WHERE ever),
           count(*) FILTER (WHERE ever AND is_active),
           count(*) FILTER (WHERE joined_at < :until AND NOT ever),
           count(*) FILTER (WHERE joined_at < :until AND NOT ever AND is_active)
    FROM (
        SELECT is_active, joined_at,
               coalesce(bool_or(used_at >= :since AND used_at < :until), false) AS here,
               coalesce(bool_or(used_at >= :lately AND used_at < :until), false) AS lately,
               coalesce(bool_or(used_at >= '1900-01-01' AND used_at < :until), false) AS ever
        FROM users LEFT JOIN tokens ON user_id = users.id GROUP BY users.id
    ) AS each_user
""")

LISTS = {
    ("ever", "~lately", "active"): "ever AND NOT lately AND is_active",
    ("joined", "~ever", "active"): "joined_at < :until AND NOT ever AND is_active",
}
# Who they are: of the same rows as PLAIN, in the order of their ids.
PLAIN_PAGE = """
    SELECT id FROM (
        SELECT users.id, is_active, joined_at,
               coalesce(bool_or(used_at >= :lately AND used_at < :until), false) AS lately,
               coalesce(bool_or(used_at >= '1900-01-01' AND used_at < :until), false) AS ever
        FROM users LEFT JOIN tokens ON user_id = users.id GROUP BY users.id
    ) AS each_user WHERE {} AND id > :after ORDER BY id LIMIT :most
"""


def moment(draw: Random) -> str:
    """Within 14 months, often on the edge of an hour, day, month or year; rarely impossible."""
    if draw.random() < 0.03:
        return draw.choice(RARE)
    found = datetime(2023, 12, 1) + timedelta(seconds=draw.randrange(420 * 86_400))  # noqa: DTZ001
    if draw.random() < 0.3:
        found = found.replace(minute=draw.choice([0, 15, 30, 45, 59]), second=0)
    if draw.random() < 0.1:
        found = found.replace(day=1, hour=0, minute=0, second=0)
    return str(found)


def change(draw: Random) -> str:
    """A statement that changes few or many tokens or users."""
    some = f"id % {draw.choice([3, 17, 97])} = 0"
    user = draw.choice(IDS)
    used = draw.choice([f"'{moment(draw)}'", "NULL", "used_at + interval '59 minutes'"])
    rows = ", ".join(
        f"({draw.choice(IDS)}, 'x', '{moment(draw)}')" for _ in range(draw.choice([1, 2, 9, 40]))
    )
    insert = f"INSERT INTO tokens (user_id, token, used_at) VALUES {rows}"
    return draw.choices(
        [
            insert,
            f"UPDATE tokens SET used_at = {used} WHERE {some} AND used_at < '200000-01-01'",
            f"UPDATE tokens SET user_id = {user} WHERE {some}",
            f"DELETE FROM tokens WHERE {some} OR user_id = {user}",
            f"UPDATE users SET is_active = NOT is_active WHERE {some}",
            f"UPDATE users SET joined_at = '{moment(draw)}' WHERE id = {user}",
            "DELETE FROM users WHERE id NOT IN (SELECT user_id FROM tokens) AND id % 2 = 0",
            people(draw),
            "TRUNCATE tokens",
            f"TRUNCATE users CASCADE; {people(draw)}",
            f"BEGIN; {insert}; TRUNCATE tokens; ROLLBACK",
        ],
        [40, 10, 6, 10, 5, 5, 3, 5, 1, 1, 2],
    )[0]


def people(draw: Random) -> str:
    """All users that are missing, with other dates of joining."""
    rows = ", ".join(f"({user}, '', '', '{moment(draw)}', {draw.random() < 0.7})" for user in IDS)
    return f"INSERT INTO users VALUES {rows} ON CONFLICT DO NOTHING"


def spans(draw: Random) -> list[Span]:
    """Ranges of whole local days in some zone, and any others."""
    found = []
    for _ in range(2):
        first = date(2023, 11, 15) + timedelta(days=draw.randrange(430))
        days = draw.choice([1, 1, 7, 30, 31, 90, 365, 36_500])
        period = Period(first, first + timedelta(days=days), ZoneInfo(draw.choice(ZONES)))
        until = period.end_at - timedelta(minutes=draw.choice([0, 0, 15, 7]))
        lately = period.days_before(30).start_at
        found.append(Span(naive(period.start_at), naive(min(lately, until)), naive(until)))
    return found


def compare(connection: Connection, draw: Random, times: int) -> None:
    """Compare random spans with the plain counts, by the sets and by the way beside them."""
    for _ in range(times):
        asked = spans(draw)
        expected = [Counts(*connection.execute(PLAIN, each._asdict()).one()) for each in asked]
        assert member_sets.members(connection, asked) == expected, (SEED, asked)
        assert member_sets._from_tokens(connection, asked) == expected, (SEED, asked)
        compare_pages(connection, draw, asked[0])


def compare_pages(connection: Connection, draw: Random, span: Span) -> None:
    """Compare a page of each list with the plain query, as if few were on it or many."""
    page = {"after": draw.choice([0, 0, *IDS]), "most": draw.choice([1, 3, 20])}
    for figure, condition in LISTS.items():
        plain = text(PLAIN_PAGE.format(condition))
        expected = connection.execute(plain, {**span._asdict(), **page}).scalars().all()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(member_sets, "MANY_LISTED", draw.choice([0, 2_000]))
            found = member_sets.page_of(connection, span, figure)
        assert found is not None
        statement = text(f"{found[0]} SELECT user_id FROM page ORDER BY user_id")
        got = connection.execute(statement, found[1] | page).scalars().all()
        assert got == expected, (SEED, span, page, figure)


def walk(database: Database, engine: Engine, draw: Random, steps: int, ranges: int) -> None:
    """Random changes, folds and rebuilds; after each all that can be asked is right."""
    database.execute(people(draw))
    for _ in range(steps):
        for _ in range(draw.choice([1, 3])):
            with contextlib.suppress(errors.ForeignKeyViolation):  # of a user who was deleted
                database.execute(change(draw))
        with engine.connect() as connection:
            compare(connection, draw, ranges)
        if draw.random() < 0.6:
            rollups.fold(engine)
            with engine.connect() as connection:
                compare(connection, draw, 1)
        if draw.random() < 0.05:
            rollups.rebuild(engine)
        if draw.random() < 0.2:
            assert not rollups.differences(engine).listed, SEED


@pytest.mark.thorough
@BOTH
def test_members_of_any_range_are_those_of_the_plain_query(
    postgres_version: int, database: Database, engine: Engine
) -> None:
    """MEMBERS_SEED=n repeats a run."""
    walk(database, engine, Random(SEED + postgres_version), steps=20, ranges=2)


@pytest.mark.parametrize(
    "other",
    [
        *("2024-05-07 10:00", "2024-05-07 10:59:59.999999", "2024-05-07 11:00", "2024-05-08"),
        *("2024-05-07", "2024-05-06 23:59:59.999999", "2024-05-01", "2024-06-01", "2024-01-01"),
        *("2023-12-31 23:59:59.999999", "2025-01-01", "infinity", "-infinity"),
    ],
)
def test_a_check_in_that_went_leaves_the_units_that_have_another_one(
    database: Database, engine: Engine, other: str
) -> None:
    """The nearest ones before and after it say so, up to a unit's edge and no further."""
    database.execute(
        "INSERT INTO users VALUES (1, '', '', '2024-01-01')",
        "INSERT INTO tokens (user_id, token, used_at) VALUES (1, 'gone', '2024-05-07 10:30')",
        f"INSERT INTO tokens (user_id, token, used_at) VALUES (1, 'x', '{other}')",
    )
    rollups.fold(engine)
    database.execute("DELETE FROM tokens WHERE token = 'gone'")
    rollups.fold(engine)

    assert not rollups.differences(engine).listed


@pytest.mark.thorough
@BOTH
@pytest.mark.parametrize("seed", range(10))
def test_members_of_ten_thousand_ranges_are_those_of_the_plain_query(
    postgres_version: int, database: Database, engine: Engine, seed: int
) -> None:
    """Five thousand and more on each version of PostgreSQL, other ones each time."""
    draw = Random(SEED + 100 * seed + postgres_version)
    walk(database, engine, draw, steps=50, ranges=5)


def test_a_range_is_cut_into_the_longest_units_and_rows_at_its_ends() -> None:
    since = datetime(2023, 11, 30, 22, 30)  # noqa: DTZ001
    assert list(pieces(since, datetime(2025, 1, 2, 3, 0))) == [  # noqa: DTZ001
        Piece(None, since, datetime(2023, 11, 30, 23)),  # noqa: DTZ001
        Piece("hour", datetime(2023, 11, 30, 23), datetime(2023, 12, 1)),  # noqa: DTZ001
        Piece("hour", datetime(2025, 1, 2), datetime(2025, 1, 2, 3)),  # noqa: DTZ001
        Piece("day", datetime(2025, 1, 1), datetime(2025, 1, 2)),  # noqa: DTZ001
        Piece("month", datetime(2023, 12, 1), datetime(2024, 1, 1)),  # noqa: DTZ001
        Piece("year", datetime(2024, 1, 1), datetime(2025, 1, 1)),  # noqa: DTZ001
    ]


def test_joining_times_are_read_from_fewer_sets_by_beginning_earlier() -> None:
    until = datetime(2026, 1, 2)  # noqa: DTZ001
    assert list(joined_pieces(datetime(2025, 12, 3), until)) == [  # noqa: DTZ001
        Piece("day", datetime(2026, 1, 1), until),  # noqa: DTZ001
        Piece("year", datetime(2025, 1, 1), datetime(2026, 1, 1)),  # noqa: DTZ001
    ]


def test_joining_times_are_read_from_as_late_as_is_no_more_to_read() -> None:
    since, until = datetime(2025, 12, 3), datetime(2025, 12, 9)  # noqa: DTZ001
    assert list(joined_pieces(since, until)) == [Piece("day", since, until)]


def test_joining_times_up_to_a_stretch_s_end_are_all_read_and_no_others() -> None:
    draw = Random(SEED)
    for _ in range(200):
        since, until = sorted(each.until for each in spans(draw))
        found = sorted(joined_pieces(since, until), key=lambda piece: piece.since)

        assert not found or (found[0].since <= since and found[-1].until == until)
        assert found or since == until
        assert all(one.until == other.since for one, other in pairwise(found))


def test_a_check_in_at_no_time_is_not_having_come(database: Database, engine: Engine) -> None:
    """A check-in at -infinity counted as one before any period."""
    database.execute(
        "INSERT INTO users VALUES (1, '', '', '2024-01-01')",
        "INSERT INTO tokens (user_id, token, used_at) VALUES (1, 'x', '-infinity')",
    )
    now = naive(datetime(2024, 2, 1, tzinfo=UTC))
    asked = [Span(now - timedelta(days=7), now - timedelta(days=30), now)]
    for _ in range(2):
        with engine.connect() as connection:
            assert member_sets.members(connection, asked) == [Counts(0, 0, 0, 0, 0, 1, 1)]
        rollups.fold(engine)


@pytest.mark.parametrize(
    "bypass",
    [
        "UPDATE member_sets SET members = ~ members WHERE unit = 'hour'",
        "DELETE FROM member_sets WHERE unit = 'month'",
        "DELETE FROM joined_sets WHERE unit = 'active'",
        "ALTER TABLE users DISABLE TRIGGER members_updated",
        "DELETE FROM member_numbers",
    ],
)
def test_sets_that_are_wrong_are_named_and_a_rebuild_repairs_them(
    database: Database, engine: Engine, bypass: str
) -> None:
    draw = Random(SEED)
    database.execute(people(draw))
    database.execute("INSERT INTO tokens (user_id, token, used_at) VALUES (1, 'x', '2024-01-01')")
    rollups.fold(engine)
    assert rollups.differences(engine).total == 0

    database.execute(bypass)

    assert rollups.differences(engine).total > 0
    rollups.rebuild(engine)
    assert rollups.differences(engine).total == 0


def test_very_many_unfolded_changes_are_counted_from_the_tokens(
    database: Database, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.execute(
        "INSERT INTO users SELECT g, '', '', '2024-01-01' FROM generate_series(1, 2001) g",
        "INSERT INTO tokens (user_id, token, used_at) SELECT id, 'x', '2024-01-02' FROM users",
    )
    asked = [Span(*(datetime(2024, 1, day) for day in (1, 1, 3)))]  # noqa: DTZ001
    with engine.connect() as connection:
        assert member_sets._are_many(connection)
        by_tokens = member_sets.members(connection, asked)
    rollups.fold(engine)
    monkeypatch.setattr(member_sets, "_from_tokens", None)
    everybody = [Counts(2001, 2001, 2001, 2001, 2001, 0, 0)]
    with engine.connect() as connection:
        assert member_sets.members(connection, asked) == by_tokens == everybody


def test_a_large_load_into_empty_tables_reads_none_of_them_for_each_row(
    database: Database, engine: Engine
) -> None:
    """The first fold of many tokens read, for each set, all that it had written before."""
    database.execute(people(Random(SEED)), "VACUUM ANALYZE member_sets, member_numbers")
    rows_read = """
        SELECT sum(seq_tup_read), sum(idx_scan) FROM pg_stat_user_tables
        WHERE relname IN ('member_sets', 'member_numbers')
    """
    ((before, looked_up),) = database.rows(rows_read)
    database.execute(
        "INSERT INTO tokens (user_id, token, used_at)"
        " SELECT 1, 'x', '2024-01-01'::timestamp + g * interval '1 hour'"
        " FROM generate_series(1, 500) g"
    )

    rollups.fold(engine)

    deadline = time.monotonic() + 10  # a connection's figures are there after its end
    while (found := database.rows(rows_read)[0])[1] < looked_up + 500:
        assert time.monotonic() < deadline, "the index was not used"
        time.sleep(0.05)
    assert found[0] == before
