"""Prod is backed up, and one command brings back a lost table, a lost volume, and a history.

The database's pod has a key here, where AWS gives it a role: moto refuses nobody.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tests.e2e.harness import bootstrap
from tests.e2e.harness.cluster import until
from tests.e2e.harness.prod_backups import PAGES, ROWS
from tests.e2e.harness.witnesses import reader, writer

if TYPE_CHECKING:
    from tests.e2e.harness.prod_backups import ProdBackups
    from tests.e2e.harness.witnesses import Witness
    from tests.e2e.harness.world import World

pytestmark = pytest.mark.long
READERS_WAIT = 120.0  # seconds
SUMS = "SELECT count(*), sum(id), sum(token::int) FROM tokens WHERE created_at <= '{}'"


@pytest.mark.timeout(720, func_only=True)
def test_21_a_prod_that_runs_keeps_its_volume_and_its_rows(
    world: World, backups: ProdBackups
) -> None:
    assert backups.claim() == "data-postgresql-0"
    assert backups.volume_of("data-postgresql-0") == backups.volume
    assert world.prod.sql("SELECT count(*) FROM e2e_rows") == str(ROWS)


def test_21_the_first_backup_is_taken_and_status_is_well(
    world: World, backups: ProdBackups
) -> None:
    until("the first backup is there", backups.backups, within=120, poll=2)
    until("status says so", lambda: backups.backups()[0] in backups.status(), within=90, poll=2)

    assert "prod: well" in backups.status()
    size = world.prod.sql("SELECT pg_size_pretty(pg_database_size('coworking'))")
    world.figure(f"          a database of {size} is {backups.s3.size() >> 20} MiB in the bucket")


@pytest.mark.timeout(720, func_only=True)
def test_21_a_dropped_table_comes_back_with_every_row_committed_until_then(
    world: World, backups: ProdBackups
) -> None:
    with writer(world, 0) as writing, reader(world) as reading:
        time.sleep(20)
        moment = _next_second()
        before = world.prod.sql(SUMS.format(_text(moment - 1)))
        world.prod.sql("DROP TABLE tokens CASCADE")
        dropped = time.time()

        said = backups.restore(f"{_text(moment)} UTC")

        time.sleep(5)
        after = world.prod.sql(SUMS.format(_text(moment - 1)))
        deeds, seen, waited = writing.deeds(), reading.deeds(), reading.longest_wait()
        there = _numbers(world)

    until_then = {deed.number for deed in deeds if deed.ok and deed.ended <= moment}
    later = {deed.number for deed in deeds if deed.ok and moment < deed.begun < dropped}
    afterwards = {deed.number for deed in deeds if deed.ok and deed.begun > dropped}
    world.figure(said)
    world.figure(
        f"          {len(until_then)} rows until the moment, {len(later)} after it,"
        f" {len(afterwards)} after the restore; of {len(seen)} answers"
        f" {sum(not deed.ok for deed in seen)} failed, the longest wait was {waited:.1f} s"
    )
    assert until_then <= there
    assert not later & there
    assert afterwards
    assert afterwards <= there
    assert after == before
    assert waited <= READERS_WAIT
    assert backups.claim() == "data-postgresql-1"
    _is_well(world, backups)


def _next_second() -> float:
    """Wait for a second to begin, and return it."""
    now = time.time()
    time.sleep(1 - now % 1)
    return float(int(now) + 1)


def _text(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%S}"


def _numbers(world: World) -> set[int]:
    return {int(each) for each in world.prod.sql("SELECT token FROM tokens").split()}


def _is_well(world: World, backups: ProdBackups) -> None:
    for name in ("postgres-prod", "coworking-prod"):
        assert world.is_settled(name), world.app(name)
    assert world.get("prod", "/readiness_check")
    until("status is well", lambda: "prod: well" in backups.status(), within=60, poll=2)


@pytest.mark.timeout(1200, func_only=True)
def test_21_a_restore_is_killed_reverted_and_its_volume_lost_and_the_rows_that_were_served_return(
    world: World, backups: ProdBackups
) -> None:
    served = backups.claim()
    with writer(world, 100_000) as before:
        time.sleep(15)
        kept = _acknowledged(before)
    _restore_to_a_wrong_moment(world, backups, max(kept))
    with writer(world, 200_000) as elsewhere:
        time.sleep(5)
        left = _acknowledged(elsewhere)
    world.measure("the restore is reverted", lambda: _revert(world, backups, served))
    assert set(kept) <= _numbers(world)
    with writer(world, 300_000) as after:
        time.sleep(10)
        kept |= _acknowledged(after)
    label = backups.back_up()

    backups.lose_the_volume()
    said = backups.restore("latest")

    there = _numbers(world)
    world.figure(f"from {label}, along the reverted history, into {backups.claim()}:\n{said}")
    assert set(kept) <= there
    assert not set(left) & there
    assert backups.claim() != served
    _is_well(world, backups)


def _acknowledged(witness: Witness) -> dict[int, float]:
    """The numbers that were acknowledged, and when."""
    return {deed.number: deed.ended for deed in witness.deeds() if deed.ok}


def _restore_to_a_wrong_moment(world: World, backups: ProdBackups, newest: int) -> None:
    """Restore five seconds before the newest row, while the pod that fills the claim is killed."""
    moment = world.prod.sql(
        f"SELECT created_at - interval '5 s' FROM tokens WHERE token::int = {newest}"
    )
    with ThreadPoolExecutor(1) as other:
        restoring = other.submit(backups.restore, f"{moment} UTC")
        said = f"Restoring to {moment}"
        until(said, lambda: said in backups.log_of_the_claim(), within=120, poll=0.1)
        world.prod.run("delete", "pod", "postgresql-0", "--grace-period=1")
        said = restoring.result()
    world.figure(f"its pod was killed meanwhile:\n{said}")
    assert "Going on with the restore that was killed" in said
    assert newest not in _numbers(world)


def _revert(world: World, backups: ProdBackups, served: str) -> None:
    for line in bootstrap.lines("Go back", PAGES / "restore.md")[:2]:
        world.type_line(line)
    world.repo.notify()
    until("the claim before is served", lambda: _serves(backups, served), within=120)
    world.settle("postgres-prod")


def _serves(backups: ProdBackups, claim: str) -> bool:
    return backups.claim() == claim and backups.is_backed_up()
