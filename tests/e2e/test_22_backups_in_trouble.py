"""Prod's volume is lost at random moments, its bucket is away, its proof is killed: what is lost.

The throw-away cluster's volumes have no size: tests/postgres/test_mishaps.py tries a full one.
"""

from __future__ import annotations

import random
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.e2e.harness.cluster import Refused, until
from tests.e2e.harness.prod_backups import POD
from tests.e2e.harness.witnesses import writer

if TYPE_CHECKING:
    from tests.e2e.harness.prod_backups import ProdBackups
    from tests.e2e.harness.world import World

pytestmark = pytest.mark.long
LOSSES = 10  # how often the volume is lost
SAMPLED = 600.0  # seconds
RPO = 60.0  # seconds
AWAY = 75.0  # seconds
# The age of the newest log in the repository: of the segment's last byte, not of its arrival.
ARCHIVED = (
    "SELECT extract(epoch FROM now() - f.modification) FROM pg_ls_waldir() f, pg_stat_archiver a"
    " WHERE f.name = a.last_archived_wal"
)
FULL = ("pgbackrest", "--stanza=main", "--type=full", "backup")
WAITING = "SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'"


class Ages:
    """Samples of the age of the newest log in the repository, while PostgreSQL answers."""

    def __init__(self, backups: ProdBackups) -> None:
        self._backups = backups
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self.seen: list[float] = []

    def __enter__(self) -> Ages:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._enough.wait(1):
            try:
                found = self._backups.sql(ARCHIVED)
            except Refused:
                continue  # it is being killed
            if found:  # the segment's file was not used again yet
                self.seen.append(float(found))


@pytest.mark.timeout(900, func_only=True)
def test_22_for_ten_minutes_the_newest_archived_log_is_at_most_a_minute_old(
    world: World, backups: ProdBackups
) -> None:
    with writer(world, 350_000) as writing, Ages(backups) as ages:
        time.sleep(SAMPLED)
        written = len(writing.deeds())
    world.figure(
        f"{max(ages.seen):6.1f} s  was the newest archived log old at the most, in"
        f" {len(ages.seen)} samples of {SAMPLED:.0f} s ({written} writes)"
    )
    assert len(ages.seen) > SAMPLED / 4
    assert max(ages.seen) <= RPO


@pytest.mark.timeout(3600, func_only=True)
def test_22_no_more_than_a_minute_is_lost_whenever_postgresql_is_killed_and_its_volume_lost(
    world: World, backups: ProdBackups
) -> None:
    chance = random.Random(20261129)
    for loss in range(LOSSES):
        with writer(world, 400_000 + 20_000 * loss) as writing:
            time.sleep(40)  # the log before is archived, as in any prod that runs
            with Ages(backups) as ages:
                time.sleep(chance.uniform(1, 35))
            killed = backups.kill()
            acknowledged = writing.acknowledged(killed)
        backups.lose_the_volume()
        began = time.monotonic()
        backups.restore("latest")
        lost = backups.lost(acknowledged, killed)
        world.figure(
            f"{lost.seconds:6.1f} s  of acknowledged writes lost ({lost.rows} of"
            f" {len(acknowledged)} rows) when the volume was; restored in"
            f" {time.monotonic() - began:.0f} s; the newest"
            f" archived log was at most {max(ages.seen):.0f} s old ({len(ages.seen)} samples)"
        )
        assert lost.seconds <= RPO
        assert max(ages.seen) <= RPO
    until("status is well", lambda: "prod: well" in backups.status(), within=120, poll=2)


@pytest.mark.timeout(600, func_only=True)
def test_22_prod_serves_while_the_bucket_is_away_and_all_is_archived_afterwards(
    world: World, backups: ProdBackups
) -> None:
    with writer(world, 700_000) as writing:
        with backups.s3.away():
            time.sleep(AWAY)
            until(
                "status says that the repository can't be asked",
                lambda: "the repository can't be asked" in backups.status(),
                within=90,
                poll=2,
            )
            waiting = int(backups.sql(WAITING))
        back = time.monotonic()
        until("nothing waits", lambda: backups.sql(WAITING) == "0", within=120, poll=1)
        seconds = time.monotonic() - back
        until("status is well", lambda: "prod: well" in backups.status(), within=120, poll=2)
        deeds = writing.deeds()
        there = backups.numbers()

    world.figure(
        f"{seconds:6.1f} s  after the bucket was back all {waiting} segments were archived; of"
        f" {len(deeds)} writes meanwhile {sum(not deed.ok for deed in deeds)} failed"
    )
    assert waiting
    assert all(deed.ok for deed in deeds)
    assert {deed.number for deed in deeds} <= there


@pytest.mark.timeout(600, func_only=True)
def test_22_after_a_backup_whose_pod_is_killed_the_next_one_is_taken(
    world: World, backups: ProdBackups
) -> None:
    before = backups.backups()
    with ThreadPoolExecutor(1) as beside:
        killed = beside.submit(backups.ask, *FULL)
        until("a backup is under way", lambda: _backing_up(backups), within=60, poll=0.1)
        world.prod.run("delete", "pod", POD, "--grace-period=0", "--force")
        with pytest.raises(Refused):
            killed.result(120)
    until("PostgreSQL serves again", backups.is_backed_up, within=240)
    assert backups.backups() == before
    name = backups.back_up()
    until("status says so", lambda: name in backups.status(), within=120, poll=2)
    until("status is well", lambda: "prod: well" in backups.status(), within=120, poll=2)


def _backing_up(backups: ProdBackups) -> bool:
    running = backups.ask("bash", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
    return "--type=full backup" in running


@pytest.mark.timeout(600, func_only=True)
def test_22_a_proof_whose_pod_is_killed_is_tried_again_and_status_says_proven(
    world: World, backups: ProdBackups
) -> None:
    world.prod.run("create", "job", "e2e-proof", "--from=cronjob/postgresql-proof")
    pod = until("the proof restores", lambda: _proving(world), within=120, poll=0.2)
    world.prod.run("delete", "pod", pod, "--grace-period=1")

    seconds = world.measure(
        "a proof, whose first pod was killed",
        lambda: until("the proof has ended", lambda: _ended(world), within=240, poll=1),
    )

    assert seconds
    until("status says so", lambda: _proven(backups.status()), within=120, poll=2)
    assert "prod: well" in backups.status()


def _proving(world: World) -> str:
    """The name of the proof's pod, once it has begun to restore."""
    for pod in world.prod.items("pods", "-l", "job-name=e2e-proof"):
        name = str(pod["metadata"]["name"])
        if "restore backup set" in world.prod.run("logs", name):
            return name
    return ""


def _ended(world: World) -> bool:
    status = world.prod.get("job", "e2e-proof")["status"]
    assert not any(each["type"] == "Failed" for each in status.get("conditions") or ()), status
    return bool(status.get("succeeded"))


def _proven(status: str) -> bool:
    return re.search(r"proven \d+ \w+ ago", status) is not None
