"""What the rollups cost a writer: the same inserts with and without them, in alternating pairs.

    python -m bench.writes

Two databases on one server, the older service's tables alone in one of them and the newest schema
in the other. A pair's order changes from round to round; a ratio is the median of the pairs'.
"""

from __future__ import annotations

import statistics
import sys
import time
from datetime import datetime, timedelta
from random import Random
from typing import TYPE_CHECKING

import click
import psycopg2
from psycopg2.extras import execute_values
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from bench.results import FOLDER, Results
from ci.local.postgres import USER, local_postgres
from coworking import rollups, schema

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from psycopg2.extensions import connection as Connection  # noqa: N812 (a class)
    from sqlalchemy import Engine

ROUNDS = 15
MEMBERS = 10_000
START = datetime(2026, 1, 5, 8)  # noqa: DTZ001 (the tables' timestamps have no zone)
INSERT = "INSERT INTO tokens (user_id, token, created_at, used_at) VALUES"
Row = tuple[int, str, datetime, datetime | None]


def one_per_transaction(connection: Connection, rows: list[Row]) -> None:
    """200 transactions of one token each."""
    with connection.cursor() as cursor:
        for row in rows[:200]:
            cursor.execute(f"{INSERT} (%s, %s, %s, %s)", row)


def batches(connection: Connection, rows: list[Row]) -> None:
    """Three transactions, each one statement with 1,000 tokens."""
    with connection.cursor() as cursor:
        for _ in range(3):
            execute_values(cursor, f"{INSERT} %s", rows[:1000], page_size=1000)


def statements(connection: Connection, rows: list[Row]) -> None:
    """One transaction of 1,000 statements with a token each."""
    with connection.cursor() as cursor:
        cursor.execute("BEGIN")
        for row in rows[:1000]:
            cursor.execute(f"{INSERT} (%s, %s, %s, %s)", row)
        cursor.execute("COMMIT")


WAYS: dict[str, Callable[[Connection, list[Row]], None]] = {
    "one per transaction": one_per_transaction,
    "in batches of 1,000": batches,
    "1,000 statements in a transaction": statements,
}


def write_costs(plain: Connection, rolled: Connection, engine: Engine) -> dict[str, float]:
    """The time of each way of writing with the rollups, as a multiple of the time without.

    Args:
        plain: a database of the older service's tables.
        rolled: a migrated database on the same server; both in autocommit mode.
        engine: the migrated database; its fold runs between the rounds, as it does in service.
    """
    rows = _rows(Random(1))
    ratios: dict[str, list[float]] = {way: [] for way in WAYS}
    for number in range(ROUNDS):
        for way, write in WAYS.items():
            pair = [plain, rolled] if number % 2 else [rolled, plain]
            seconds = {id(connection): _seconds(write, connection, rows) for connection in pair}
            ratios[way].append(seconds[id(rolled)] / seconds[id(plain)])
        rollups.fold(engine)
    return {way: statistics.median(values) for way, values in ratios.items()}


def _seconds(
    write: Callable[[Connection, list[Row]], None], connection: Connection, rows: list[Row]
) -> float:
    began = time.perf_counter()
    write(connection, rows)
    return time.perf_counter() - began


def _rows(draw: Random) -> list[Row]:
    rows: list[Row] = []
    for number in range(1000):
        created = START + timedelta(seconds=7 * number)
        used = created + timedelta(minutes=draw.randint(-5, 60)) if draw.random() < 0.9 else None
        rows.append((draw.randint(1, MEMBERS), f"{number:06}", created, used))
    return rows


def _prepared(host: Path, name: str, revision: str) -> tuple[Connection, Engine]:
    """A new database at a revision, with members in it."""
    admin = psycopg2.connect(host=str(host), user=USER, dbname="postgres")
    admin.autocommit = True
    with admin.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        cursor.execute(f"CREATE DATABASE {name}")
    admin.close()
    engine = create_engine(f"postgresql+psycopg2://{USER}@/{name}?host={host}", poolclass=NullPool)
    schema.upgrade(engine, revision)
    connection = psycopg2.connect(host=str(host), user=USER, dbname=name)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO users (first_name, last_name, joined_at)"
            " SELECT 'a', 'b', now() FROM generate_series(1, %s)",
            [MEMBERS],
        )
        cursor.execute("VACUUM ANALYZE users")
    return connection, engine


def main() -> None:
    """Measure, print, write the JSON file; the status is 1 if a promise is broken."""
    results = Results("writes")
    with local_postgres(FOLDER.absolute() / "writes", "postgres") as host:
        plain, _ = _prepared(host, "writes_plain", "0001")
        rolled, engine = _prepared(host, "writes_rolled", schema.REQUIRED_REVISION)
        costs = write_costs(plain, rolled, engine)
        differences = rollups.differences(engine).total
        plain.close()
        rolled.close()
    for way, ratio in costs.items():
        click.echo(f"  {way:<36} x {ratio:.2f}")
    results.figures = {"times the cost without rollups": costs}
    results.promise("inserting tokens one per transaction", costs["one per transaction"], "<=", 1.5)
    results.promise("inserting in batches of 1,000", costs["in batches of 1,000"], "<=", 1.3)
    results.promise("differences after all of it", differences, "<=", 0)
    sys.exit(not results.finish())


if __name__ == "__main__":
    main()
