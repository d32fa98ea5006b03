"""Prod's rows move to a PostgreSQL outside and back, by the lines of docs/grow.md as they are.

Everything else goes on: a writer, a reader, and a load while prod's pods are replaced. The tests
are the page's steps, in its order.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, NamedTuple

import pytest

from ci.tree import settings
from tests.e2e.harness.cluster import uids, until
from tests.e2e.harness.load import load, nobody_noticed
from tests.e2e.harness.move import BALANCER, Move
from tests.e2e.harness.outside import HOST, OutsideDatabase, go_back
from tests.e2e.harness.witnesses import begin, reader, writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.e2e.harness.witnesses import Witness
    from tests.e2e.harness.world import World

pytestmark = pytest.mark.long
FIRST = 900_000  # the writer's first number
ROWS = 200_000  # what is there before
WITHOUT_WRITES = 30.0  # seconds
UNAVAILABLE = 2.0  # seconds
CLEAN = "The rollups equal the tokens."
HERE = "postgresql-service"


class Moving(NamedTuple):
    """The move, and who goes on meanwhile.

    Attributes:
        page: types the page's lines.
        database: the new one.
        writing: writes tokens, to the old one at first.
        reading: asks the service for a report.
    """

    page: Move
    database: OutsideDatabase
    writing: Witness
    reading: Witness


@pytest.fixture(scope="module")
def moving(world: World) -> Iterator[Moving]:
    """An empty database outside, and prod with rows, a writer and a reader."""
    database = OutsideDatabase(world, has_role=False)
    begin(world)
    world.prod.sql(
        "INSERT INTO tokens (user_id, token, used_at) SELECT min(id), 'before', now()"
        f" FROM users, generate_series(1, {ROWS}) GROUP BY generate_series"
    )
    with writer(world, FIRST) as writing, reader(world) as reading:
        yield Moving(Move(world, database), database, writing, reading)
    world.repo.reset()
    if settings.read(world.repo.folder).database_host:
        go_back(world)
    database.end()


def _without_writes(world: World, moving: Moving, what: str, switch: Callable[[], None]) -> None:
    """Do what nobody writes during; keep its seconds, as the writer saw them."""
    begun = time.time()
    switch()
    moving.writing.goes_on()
    seconds = moving.writing.longest_wait(begun)
    world.figure(f"{seconds:6.1f} s  without writes: {what}")
    assert seconds <= WITHOUT_WRITES


def _equal(said: str) -> str:
    """The rows of both, which the last lines of a block print and which must be equal."""
    printed = [line for line in said.splitlines() if line.startswith(("users|", "tokens|"))]
    users, tokens, *others = printed[-4:]
    assert [users, tokens] == others
    return tokens


def test_25_the_old_one_publishes_after_a_commit_and_one_short_restart(
    world: World, moving: Moving
) -> None:
    pod = world.prod.ready_pods("database")
    moving.page.publish()

    begun = time.time()
    moving.page.type_block(". ./move.sh\nold -c")
    moving.writing.goes_on()
    moving.reading.goes_on()

    assert uids(world.prod.pods("database")) == uids(pod)
    waited = moving.writing.longest_wait(begun)
    world.figure(f"{waited:6.1f} s  without writes: PostgreSQL's restart with wal_level=logical")


def test_25_the_rows_are_copied_while_everybody_reads_and_writes(
    world: World, moving: Moving
) -> None:
    moving.page.type_block('kubectl --namespace "$NAMESPACE" exec -i')
    world.measure(
        f"the copy of {ROWS} rows, with the schema",
        lambda: moving.page.type_block("on_new migrate"),
    )
    moving.writing.goes_on()

    moving.page.type(". ./move.sh && waiting old moving")
    said = moving.page.type("! on_new verify")
    assert "got one, whose rows fire no trigger" in said


def test_25_the_writers_are_switched_and_both_have_the_same_rows(
    world: World, moving: Moving
) -> None:
    def switch() -> None:
        said = moving.page.type_block('new -c "CREATE PUBLICATION going_back')
        moving.writing.write_to(HOST)
        world.figure(f"          both have {_equal(said)}")

    _without_writes(world, moving, "the switch of the writers", switch)


@pytest.mark.timeout(600, func_only=True)
def test_25_the_readers_are_switched_by_a_commit_and_the_old_one_follows(
    world: World, moving: Moving
) -> None:
    assert moving.page.type_block("on_new rebuild").count(CLEAN) == 1
    old = uids(world.prod.ready_pods())

    with load(world.client, "coworking.coworking-prod") as running:
        moving.database.name_it(world)
        world.repo.push()
        world.measure(
            "from the merge until prod serves from the new one",
            lambda: until("it serves", lambda: moving.database.serves(world, old), within=120),
        )
        world.settle("coworking-prod")

    nobody_noticed(world, running)
    moving.page.type_block('new -c "DO')
    moving.writing.goes_on()
    said = moving.page.type("stop_writers new\nwaiting new going_back\nrows old; rows new\n")
    moving.page.type("let_write new")
    _equal(said)
    assert moving.page.type("on_new verify").count(CLEAN) == 1


@pytest.mark.timeout(600, func_only=True)
def test_25_the_way_back_brings_what_was_written_meanwhile(world: World, moving: Moving) -> None:
    moving.writing.goes_on()

    def switch() -> None:
        said = moving.page.type_block("stop_writers new")
        moving.writing.write_to(HERE)
        world.figure(f"          both have {_equal(said)}")

    _without_writes(world, moving, "the way back of the writers", switch)
    assert moving.page.type_block("on_old rebuild").count(CLEAN) == 1
    with load(world.client, "coworking.coworking-prod") as running:
        world.measure("from the merge until prod is back", lambda: go_back(world))
    nobody_noticed(world, running)


def test_25_no_row_was_lost_or_doubled_and_no_read_failed(world: World, moving: Moving) -> None:
    moving.writing.goes_on()
    there = _numbers(world)
    deeds = moving.writing.deeds()
    acknowledged = {deed.number for deed in deeds if deed.ok and deed.number <= max(there)}

    failed = moving.reading.failures()
    lost = len(acknowledged - set(there))
    world.figure(
        f"          {len(acknowledged)} rows were acknowledged, {lost} are"
        f" lost and {len(there) - len(set(there))} doubled; of {len(moving.reading.deeds())} reads"
        f" {sum(each.deeds for each in failed)} failed, in times of"
        f" {[round(each.seconds, 1) for each in failed]} s"
    )
    assert acknowledged <= set(there)
    assert len(there) == len(set(there))
    assert all("503" in said for each in failed for said in each.said), failed
    assert all(each.seconds <= UNAVAILABLE for each in failed), failed


def _numbers(world: World) -> list[int]:
    found = world.prod.sql(
        f"SELECT token FROM tokens WHERE token ~ '^{FIRST // 100_000}[0-9]{{5}}$'"
    )
    return [int(each) for each in found.split()]


def test_25_the_service_reports_every_row_and_its_rollups_are_clean(
    world: World, moving: Moving
) -> None:
    assert world.prod.execute("deployment/coworking", "coworking", "verify").count(CLEAN) == 1

    begun = int(world.prod.sql("SELECT count(used_at) FROM tokens"))
    until("it reports them", lambda: _reported(world) >= begun, within=30)
    assert _reported(world) <= int(world.prod.sql("SELECT count(used_at) FROM tokens"))
    moving.writing.goes_on()


def _reported(world: World) -> int:
    return sum(json.loads(world.get("prod", "/api/reports/daily_usage")).values())


def test_25_what_the_page_brought_is_taken_back(world: World, moving: Moving) -> None:
    moving.page.revert()
    moving.page.type_block('kubectl --namespace "$NAMESPACE" delete')

    world.settle("postgres-prod")
    assert not world.prod.exists("service", BALANCER)
    assert not world.prod.exists("networkpolicy", BALANCER)
    service = world.prod.get("service", HERE)
    assert "publishNotReadyAddresses" not in service["spec"]
