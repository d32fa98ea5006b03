"""On a database of the bench: members counted by sets and plainly, and how long a fold takes."""

from __future__ import annotations

from datetime import date, timedelta
from random import Random
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from ci.local.postgres import USER
from coworking import member_sets, rollups
from coworking.extent import naive
from coworking.member_sets import Span
from coworking.periods import Period

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection, Engine

PLAIN = text("""
    SELECT count(*) FROM (SELECT FROM public.tokens
                          WHERE used_at >= :since AND used_at < :until GROUP BY user_id) members
""")
# Zones of whole, half and quarter hours, on both sides of UTC, with and without summer time.
ZONES = (
    *("UTC", "Europe/Berlin", "America/Los_Angeles", "Pacific/Apia", "Asia/Kolkata"),
    *("America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Chatham"),
)
END = date(2026, 1, 1)  # of the bench's data
CHANGES = 10_000
# In one transaction of many statements: tokens of any member on any day of the last year.
INSERT = text(f"""
    DO $$ BEGIN FOR n IN 1..{CHANGES} LOOP
        INSERT INTO public.tokens (user_id, token, created_at, used_at)
        SELECT 1 + (n * 7919) % (SELECT max(id) FROM public.users), 'bench', at, at
        FROM (SELECT timestamp '2025-01-01 06:00' + n * 3137 * interval '1 second' AS at) moment;
    END LOOP; END $$
""")
DELETE = text("DELETE FROM public.tokens WHERE token = 'bench'")


def engine_of(host: Path, name: str) -> Engine:
    """An engine on a database of the bench."""
    return create_engine(f"postgresql+psycopg2://{USER}@/{name}?host={host}", poolclass=NullPool)


def differing_ranges(engine: Engine, ranges: int, days: int, seed: int = 20261) -> int:
    """In how many random ranges the members counted by sets are not those of the plain query.

    Args:
        engine: the database.
        ranges: how many, each of 1 to 365 local days of some zone.
        days: so many days before the data's end a range may begin.
        seed: of the draw.
    """
    draw = Random(seed)
    with engine.connect() as connection:
        return sum(_differs(connection, _range(draw, days)) for _ in range(ranges))


def _range(draw: Random, days: int) -> Period:
    first = END - timedelta(days=draw.randint(1, days))
    length = timedelta(days=draw.randint(1, 365))
    return Period(first, first + length, ZoneInfo(draw.choice(ZONES)))


def _differs(connection: Connection, period: Period) -> bool:
    since, until = naive(period.start_at), naive(period.end_at)
    plain: int = connection.execute(PLAIN, {"since": since, "until": until}).scalar_one()
    (found,) = member_sets.members(connection, [Span(since, since, until)])
    return found.here != plain


def fold_seconds(engine: Engine) -> float:
    """The longer of two folds: of 10,000 tokens that came one by one, and of their deletion.

    The database is then as it was.
    """
    rollups.fold(engine)
    found = []
    for change in (INSERT, DELETE):
        with engine.begin() as connection:
            connection.execute(change)
        found.append(rollups.fold(engine).seconds)
    return max(found)
