"""Answers are exact: each was true at some moment between the request's arrival and its answer."""

from __future__ import annotations

import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from coworking import freshness
from coworking.database import Database
from coworking.freshness import Freshness
from coworking.lanes import Lanes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection

    from coworking.config import Config


# One process runs them all: the server of their own is started once.


@dataclass
class Number:
    """The one number of these tests, as a body that can be kept."""

    value: int
    nbytes: int = 100


class Counted:
    """Reads the number, and counts how often it was asked to."""

    def __init__(self, seconds: float = 0) -> None:
        self.calls = 0
        self.seconds = seconds

    def __call__(self, connection: Connection) -> Number:
        self.calls += 1
        return Number(
            connection.execute(
                text("SELECT value FROM number, pg_sleep(:seconds)"), {"seconds": self.seconds}
            ).scalar_one()
        )


@pytest.fixture(scope="module")
def postgres_servers(
    postgres_servers: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    """A server that no other test writes to: any write in it makes another version."""
    own = type(postgres_servers)(tmp_path_factory.mktemp("own-server"))
    yield own
    own.close()


@pytest.fixture
def numbers(empty_database: Any, configured: Callable[..., Config]) -> Iterator[Database]:
    """A database with the number 0, the revision that checks read, and nothing unverified."""
    empty_database.execute(
        "CREATE TABLE alembic_version (version_num varchar(32) NOT NULL)",
        "INSERT INTO alembic_version VALUES ('0001')",
        "CREATE TABLE rollup_checks AS SELECT NULL::timestamptz AS not_verified_since",
        "CREATE TABLE number (value integer NOT NULL)",
        "INSERT INTO number VALUES (0)",
    )
    numbers = Database(configured(empty_database))
    yield numbers
    numbers.close()


@pytest.fixture
def make(numbers: Database) -> Iterator[Callable[..., Freshness]]:
    """`make(max_age=1)`: the checks and answers of a process."""
    made: list[Freshness] = []

    def make(*, max_age: float = 0, keep_bytes: int = 1000) -> Freshness:
        made.append(
            Freshness(numbers, Lanes(threads=32, pool=8), max_age=max_age, keep_bytes=keep_bytes)
        )
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_an_answer_is_kept_until_the_data_changes(
    make: Callable[..., Freshness], empty_database: Any
) -> None:
    answers, build = make(), Counted()
    first, second = answers.answer("n", build), answers.answer("n", build)
    assert (first.body.value, second.body.value, build.calls) == (0, 0, 1)

    empty_database.execute("UPDATE number SET value = 1")

    third = answers.answer("n", build)
    assert (third.body.value, build.calls, third.header) == (1, 2, "exact")


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO number VALUES (7)",
        "DELETE FROM number",
        "TRUNCATE number",
        "ALTER TABLE number ADD COLUMN x integer DEFAULT 3",
        "DO $$BEGIN BEGIN INSERT INTO number VALUES (7); EXCEPTION WHEN OTHERS THEN END; END$$",
    ],
)
def test_any_write_changes_the_version(
    make: Callable[..., Freshness], empty_database: Any, statement: str
) -> None:
    answers = make()
    before = answers.check().version
    empty_database.execute(statement)
    assert answers.check().version != before


def test_reading_does_not_change_the_version(
    make: Callable[..., Freshness], empty_database: Any
) -> None:
    answers = make()
    before = answers.check().version
    empty_database.rows("SELECT * FROM number")
    assert answers.check().version == before


def test_a_transaction_under_way_changes_the_version_only_when_it_ends(
    make: Callable[..., Freshness], empty_database: Any
) -> None:
    answers, build = make(), Counted()
    writer = empty_database.connect()
    writer.autocommit = False
    with writer.cursor() as cursor:
        cursor.execute("UPDATE number SET value = 5")
    # Another transaction ends meanwhile, so the writer's id is below the newest one.
    empty_database.execute("CREATE TABLE other ()")
    during = answers.answer("n", build)
    assert answers.check().version == during.version
    writer.commit()
    writer.close()
    assert (during.body.value, answers.answer("n", build).body.value) == (0, 5)


def test_requests_that_come_during_a_check_share_the_next_one(
    make: Callable[..., Freshness], monkeypatch: pytest.MonkeyPatch, wait: Callable[..., None]
) -> None:
    slowly(monkeypatch)
    answers = make()
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(answers.check)
        wait(lambda: answers.asking, "check under way")
        others = [pool.submit(answers.check) for _ in range(8)]
    assert len({each.result().began for each in others}) == 1
    assert others[0].result().began > first.result().began


def test_who_comes_during_a_build_of_the_same_data_has_an_exact_answer(
    make: Callable[..., Freshness],
) -> None:
    """It was called as old as the build took, though a check had found the data unchanged."""
    answers, build = make(), Counted(0.3)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(answers.answer, "n", build)
        time.sleep(0.15)
        second = pool.submit(answers.answer, "n", build).result()
    assert (first.result().header, second.header, build.calls) == ("exact", "exact", 1)


def test_a_check_that_began_before_the_request_arrived_is_not_used(
    make: Callable[..., Freshness],
    monkeypatch: pytest.MonkeyPatch,
    empty_database: Any,
    wait: Callable[..., None],
) -> None:
    slowly(monkeypatch)
    answers, build = make(), Counted()
    with ThreadPoolExecutor(1) as pool:
        early = pool.submit(answers.answer, "n", build)
        wait(lambda: answers.asking, "check under way")
        empty_database.execute("UPDATE number SET value = 1")
        assert answers.answer("n", build).body.value == 1
        early.result()


def test_concurrent_requests_build_an_answer_once_or_twice(
    make: Callable[..., Freshness],
) -> None:
    answers, build = make(), Counted(seconds=0.2)
    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(lambda _: answers.answer("n", build).body.value, range(12)))
    assert found == [0] * 12
    assert build.calls <= 2  # the second for those that arrived during the first


@pytest.mark.slow
def test_every_answer_was_true_while_its_request_waited(
    make: Callable[..., Freshness], empty_database: Any
) -> None:
    """One writer counts up; a reader never sees less than what was committed when it arrived."""
    answers, build = make(), Counted()
    committed, begun = [0], [0]
    stop = threading.Event()

    def write() -> None:
        connection = empty_database.connect()
        with connection.cursor() as cursor:
            for value in itertools.count(1):
                begun[0] = value
                cursor.execute("UPDATE number SET value = %s", (value,))
                committed[0] = value
                if stop.wait(0.002):
                    break
        connection.close()

    def read() -> int:
        seen = 0
        while not stop.is_set():
            least = committed[0]
            value = answers.answer("n", build).body.value
            assert least <= value <= begun[0]
            seen += 1
        return seen

    with ThreadPoolExecutor(7) as pool:
        readers = [pool.submit(read) for _ in range(6)]
        writer = pool.submit(write)
        time.sleep(1.5)  # the length of the experiment, not a wait
        stop.set()
        writer.result()
    assert sum(each.result() for each in readers) > 100
    assert committed[0] > 20


def test_an_answer_may_be_as_old_as_allowed_and_says_so(
    make: Callable[..., Freshness], empty_database: Any
) -> None:
    answers, build = make(max_age=60), Counted()
    assert answers.answer("n", build).header == "exact"
    empty_database.execute("UPDATE number SET value = 1")
    old = answers.answer("n", build)
    assert old.body.value == 0
    assert 0 < old.age < 60
    assert old.header == f"within;age={old.age:.3f};max-age=60"


def test_an_answer_older_than_allowed_is_checked_again(
    make: Callable[..., Freshness], empty_database: Any, wait: Callable[..., None]
) -> None:
    answers, build = make(max_age=0.2), Counted()
    answers.answer("n", build)
    empty_database.execute("UPDATE number SET value = 1")
    wait(lambda: answers.answer("n", build).body.value == 1, "new answer", 2)


def test_with_an_allowed_age_an_answer_is_not_built_for_every_request(
    make: Callable[..., Freshness], empty_database: Any
) -> None:
    """A build counts as a check; else each answer would differ from the older check's version."""
    answers, build = make(max_age=60), Counted()
    answers.check()
    for _ in range(3):
        empty_database.execute("UPDATE number SET value = value + 1")
        answers.answer("n", build)
    assert build.calls == 1


def test_a_build_that_failed_is_not_kept(make: Callable[..., Freshness]) -> None:
    answers = make()

    def fail(_connection: Connection) -> Number:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        answers.answer("n", fail)
    assert answers.answer("n", Counted()).body.value == 0


def test_kept_answers_stay_within_their_bound(make: Callable[..., Freshness]) -> None:
    answers, build = make(keep_bytes=1000), Counted()
    for key in range(30):
        answers.answer(key, build)
    assert answers.kept.nbytes == 1000
    calls = build.calls
    answers.answer(29, build)
    assert build.calls == calls  # the newest is still there
    answers.answer(0, build)
    assert build.calls == calls + 1  # the oldest went


def test_an_answer_larger_than_the_bound_is_given_and_not_kept(
    make: Callable[..., Freshness],
) -> None:
    answers = make(keep_bytes=10)
    assert answers.answer("n", Counted()).body.value == 0
    assert answers.kept.nbytes == 0


def slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each check take a while after its snapshot was taken."""
    slow = freshness.PREPARE.replace("SELECT", "SELECT pg_sleep(0.3)::text ||", 1)
    monkeypatch.setattr(freshness, "PREPARE", slow)
