"""A statement is planned once a connection, whatever happens to transactions and connections."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import exc, text

from coworking import prepared
from tests.app.versions import BOTH

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine


DOUBLE = "SELECT :number % 100 * 2, :words::text[]"
TYPES = {"number": "int", "words": "text[]"}


def ask(connection: Connection, number: int, statement: str = DOUBLE) -> list[object]:
    row = prepared.run(connection, statement, {"number": number, "words": ["a%", ":b"]}, TYPES)
    return list(row.one())


def known(connection: Connection) -> int:
    return int(connection.execute(text("SELECT count(*) FROM pg_prepared_statements")).scalar_one())


@BOTH
def test_it_answers_for_each_value_and_is_prepared_once(
    postgres_version: int, engine: Engine
) -> None:
    with engine.connect() as connection:
        found = [ask(connection, number) for number in (3, 104, 5)]

        assert found == [[6, ["a%", ":b"]], [8, ["a%", ":b"]], [10, ["a%", ":b"]]]
        assert known(connection) == 1


def test_it_is_planned_for_all_values_at_once(engine: Engine) -> None:
    with engine.connect() as connection:
        for number in range(3):
            ask(connection, number)

        plans = text("SELECT generic_plans, custom_plans FROM pg_prepared_statements")
        assert list(connection.execute(plans).one()) == [3, 0]
        connection.rollback()
        assert connection.execute(text("SHOW plan_cache_mode")).scalar_one() == "auto"


@pytest.mark.parametrize(("sort", "setting"), [(True, "on"), (False, "off")])
def test_it_is_planned_without_sorting_where_that_is_asked(
    engine: Engine, sort: bool, setting: str
) -> None:
    with engine.connect() as connection:
        asked = prepared.run(connection, "SELECT current_setting('enable_sort')", {}, {}, sort=sort)

        assert asked.scalar_one() == setting
        connection.rollback()
        assert connection.execute(text("SHOW enable_sort")).scalar_one() == "on"


def test_a_rollback_and_the_pool_keep_it(engine: Engine) -> None:
    with engine.connect() as connection:
        ask(connection, 1)
        connection.rollback()
        ask(connection, 2)
    with engine.connect() as connection:
        ask(connection, 3)

        assert known(connection) == 1


def test_a_connection_that_was_lost_begins_again(engine: Engine) -> None:
    with engine.connect() as connection:
        ask(connection, 1)
        connection.invalidate()
        connection.rollback()

        assert ask(connection, 2)[0] == 4


def test_the_oldest_of_too_many_is_forgotten(engine: Engine) -> None:
    with engine.connect() as connection:
        for number in range(prepared.MOST + 3):
            assert ask(connection, number, f"{DOUBLE}, {number}")[2] == number

        assert known(connection) == prepared.MOST
        assert ask(connection, 7, f"{DOUBLE}, 0")[0] == 14


def test_a_statement_that_fails_is_not_taken_for_prepared(engine: Engine) -> None:
    with engine.connect() as connection:
        for _ in range(2):
            with pytest.raises(exc.ProgrammingError, match="nowhere"):
                ask(connection, 1, "SELECT :number, :words FROM nowhere")
            connection.rollback()
