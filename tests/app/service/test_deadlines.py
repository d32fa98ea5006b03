"""A wait for the database ends at its deadline, whatever the database does."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest

from coworking.deadlines import LONG, Deadlines

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_late_answer_is_cut_off(empty_database: Any) -> None:
    connection = empty_database.connect()
    began = time.monotonic()
    with (
        pytest.raises(psycopg2.OperationalError),
        Deadlines().guard(connection, 0.2),
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT pg_sleep(20)")
    assert time.monotonic() - began < 2
    assert connection.closed


def test_an_answer_in_time_is_left_alone(empty_database: Any, wait: Callable[..., None]) -> None:
    connection = empty_database.connect()
    deadlines = Deadlines()
    with deadlines.guard(connection, 0.2), connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    wait(lambda: not deadlines._wanted.is_set(), "end of the watch")
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)
    connection.close()


def test_an_outer_deadline_counts_again_when_an_inner_one_ended(empty_database: Any) -> None:
    outer, inner = empty_database.connect(), empty_database.connect()
    deadlines = Deadlines()
    with deadlines.guard(outer, 0.3):
        with deadlines.guard(inner, 10), inner.cursor() as cursor:
            cursor.execute("SELECT 1")
        with pytest.raises(psycopg2.OperationalError), outer.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(20)")
    inner.close()


@pytest.mark.thorough
def test_somebody_looks_while_a_block_waits_for_long(empty_database: Any) -> None:
    looked: list[float] = []
    deadlines = Deadlines()
    deadlines.meanwhile = lambda: looked.append(time.monotonic())
    began = time.monotonic()
    connection = empty_database.connect()
    with deadlines.guard(connection, 10), connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(0.8)")
    connection.close()
    assert len(looked) >= 1
    assert looked[0] - began >= LONG
