"""The SQL of the reports, against the same questions asked of every single token in Python."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple, Protocol

import pytest

from coworking import extent, reports
from coworking.extent import QUARTER_HOUR, Extent, extent_of
from coworking.periods import Granularity, Period
from tests.app.test_periods import period
from tests.app.versions import BOTH

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Engine


class Database(Protocol):
    def execute(self, *statements: str) -> None: ...


class Token(NamedTuple):
    user: int
    created: datetime
    used: datetime | None


USERS = {user: datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=5 * user) for user in range(1, 41)}
BEGIN = datetime(2024, 1, 10, tzinfo=UTC)
LEFT = range(3, 41, 7)  # members who are not active any more
NOW = datetime(2035, 1, 1, tzinfo=UTC)
PERIODS = [
    ("UTC", "2024-03-01", "2024-03-31"),
    ("Europe/Berlin", "2024-03-25", "2024-04-02"),  # clocks go forward
    ("America/New_York", "2024-03-09", "2024-03-12"),
    ("Australia/Lord_Howe", "2024-04-01", "2024-04-20"),  # back, by half an hour
    ("Asia/Kathmandu", "2024-02-01", "2024-05-01"),
    ("Africa/Monrovia", "1971-01-01", "2024-03-01"),  # no quarter hours: read from the tokens
    ("Pacific/Apia", "2011-12-30", "2011-12-31"),  # a date that did not happen
    ("UTC", "2020-01-01", "2020-02-01"),  # before all data
    ("UTC", "2030-01-01", "2030-02-01"),  # after it
]


def a_history(seed: int) -> list[Token]:
    """Tokens of 36 members over four months; some unused, some used before they were issued."""
    chance = random.Random(seed)
    tokens = []
    for _ in range(1500):
        used = BEGIN + timedelta(seconds=chance.uniform(0, 120 * 86_400))
        if chance.random() < 0.2:  # exactly on the edges where an error of one would show
            used = used.replace(minute=chance.choice((0, 15, 30, 45)), second=0, microsecond=0)
        created = used - timedelta(minutes=chance.uniform(-30, 600))
        user = 1 + int(36 * chance.random() ** 2)
        tokens.append(Token(user, created, used if chance.random() < 0.85 else None))
    return tokens


@pytest.fixture
def history(database: Database) -> list[Token]:
    tokens = a_history(seed=4)
    users = [
        f"({user}, '', '', '{joined:%Y-%m-%d}', {user not in LEFT})"
        for user, joined in USERS.items()
    ]
    rows = [f"({t.user}, '', {quoted(t.created)}, {quoted(t.used)})" for t in tokens]
    database.execute(
        "INSERT INTO users (id, first_name, last_name, joined_at, is_active) VALUES "
        + ", ".join(users),
        "INSERT INTO tokens (user_id, token, created_at, used_at) VALUES " + ", ".join(rows),
    )
    return tokens


def quoted(instant: datetime | None) -> str:
    return f"'{instant:%Y-%m-%d %H:%M:%S.%f}'" if instant else "NULL"


@pytest.fixture
def connection(engine: Engine, history: list[Token]) -> Iterator[Connection]:
    with engine.connect() as connection:
        yield connection


def figures(tokens: list[Token], period: Period) -> tuple[float | None, ...]:
    """The figures of one period, asked of the tokens one by one."""
    start, end = period.start_at, period.end_at
    in_period = [t for t in tokens if t.used and start <= t.used < end]
    issued = [t for t in tokens if start <= t.created < end]
    ever = {t.user for t in tokens if t.used and t.used < end}
    month_ago = period.days_before(30).start_at
    lately = {t.user for t in tokens if t.used and month_ago <= t.used < end}
    unused = sum(t.used is None for t in issued)
    gone = ever - lately
    never = {user for user, joined in USERS.items() if joined < end and user not in ever}
    return (
        len(in_period),
        len({t.user for t in in_period}),
        round(unused / len(issued), 6) if issued else None,
        len(gone.difference(LEFT)),
        len(never.difference(LEFT)),
        len(gone.intersection(LEFT)),
        len(never.intersection(LEFT)),
    )


@pytest.mark.parametrize("which", PERIODS, ids=str)
@BOTH
def test_every_report_equals_the_answer_of_the_tokens(
    connection: Connection, history: list[Token], which: tuple[str, str, str]
) -> None:
    asked = period(*which)
    used = [t.used for t in history if t.used and asked.start_at <= t.used < asked.end_at]

    found = reports.overview(connection, asked, NOW)
    assert tuple(metric.value for metric in found) == figures(history, asked)
    assert tuple(metric.previous for metric in found) == figures(history, asked.previous())

    for by in Granularity:
        if asked.days > 41 and by is not Granularity.MONTH:
            continue
        buckets = asked.buckets(by)
        assert reports.checkins(connection, asked, buckets, NOW) == [
            sum(bucket.start <= instant < bucket.end for instant in used) for bucket in buckets
        ]

    expected = [[0] * 24 for _ in range(7)]
    for instant in used:
        there = instant.astimezone(asked.zone)
        expected[there.weekday()][there.hour] += 1
    extent = Extent(min(used, default=None), max(used, default=None), NOW)
    assert reports.heatmap(connection, asked, extent).counts == expected


def test_the_extent_is_the_first_and_the_last_check_in(
    connection: Connection, history: list[Token]
) -> None:
    used = [t.used for t in history if t.used]

    assert extent_of(connection, NOW)[:2] == (min(used), max(used))


def test_a_stray_date_does_not_become_the_newest_data(database: Database, engine: Engine) -> None:
    database.execute(
        "INSERT INTO users VALUES (1, '', '', '2024-01-01')",
        """INSERT INTO tokens (user_id, token, created_at, used_at) VALUES
           (1, '', '2024-01-02', '2024-01-02 09:00'), (1, '', '2024-01-02', 'infinity'),
           (1, '', '2024-01-02', '-infinity'), (1, '', '2024-01-02', '294276-12-31')""",
    )
    with engine.connect() as connection:
        only = datetime(2024, 1, 2, 9, tzinfo=UTC)
        assert extent_of(connection, NOW)[:4] == (only, only, NOW + QUARTER_HOUR, 3)


def test_a_rhythm_is_not_read_once_no_pause_could_be_as_long(
    database: Database, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading it is most of what a report costs whose data have ended."""
    newest = datetime(2026, 1, 5, 9, tzinfo=UTC)
    database.execute(
        "INSERT INTO users VALUES (1, '', '', '2025-01-01')",
        "INSERT INTO tokens (user_id, token, used_at) VALUES (1, 'x', '2026-01-05 09:00')",
    )
    read: list[datetime] = []
    monkeypatch.setattr(
        extent, "_longest_pause", lambda _, since: read.append(since) or timedelta(weeks=8)
    )
    with engine.connect() as connection:
        silent = [
            extent_of(connection, newest + timedelta(days=days)).silent_since
            for days in (1, 50, 56, 58, 300)
        ]
    assert silent == [None, None, None, newest, newest]
    assert len(read) == 3  # at the horizon of the first, too, a day has passed


def test_an_empty_database_has_no_extent_and_counts_nothing(engine: Engine) -> None:
    with engine.connect() as connection:
        assert extent_of(connection, NOW)[:2] == (None, None)
        assert not reports.tokens_issued(connection)
        found = reports.overview(connection, period("UTC", "2024-01-01", "2024-01-31"), NOW)
        assert [metric.value for metric in found] == [0, 0, None, 0, 0, 0, 0]
