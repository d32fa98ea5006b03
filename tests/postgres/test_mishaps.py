"""A backup that is killed and a volume that is full: nothing is lost, and the next one is well."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from ci.argocd.client import LogLine
from ci.oncall import server_log
from ci.oncall.backup_state import DISK_FULL
from tests.postgres.claim import OS_USER
from tests.postgres.test_keep_backups import kinds, states

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.postgres.claim import Claim

FOUND = "SELECT count(DISTINCT batch) || ' ' || count(*) FROM batches"
BATCH = "INSERT INTO batches SELECT {0}, repeat('x', 400) FROM generate_series(1, 5000)"


def test_a_killed_backup_is_taken_again(claim):
    claim.initialise()
    claim.start()
    claim.sql("CREATE TABLE rows AS SELECT n, md5(n::text) FROM generate_series(1, 400000) AS n")
    killed = claim.begin("keep-backups")
    claim.wait_until(lambda: "backup start archive" in claim.said(), "a backup that has begun")
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait(10)
    assert kinds(claim) == []
    assert claim.sql("SELECT count(*) FROM rows") == "400000"

    claim.begin("keep-backups", REPORT_SECONDS="0.2")
    claim.wait_until(lambda: kinds(claim) == ["full"], "the backup")
    claim.wait_until(lambda: "verify command end" in claim.said(), "the verification")
    claim.wait_until(lambda: states(claim)[-1].running == "", "that nothing runs")
    assert not states(claim)[-1].damaged


@pytest.fixture
def small(claim: Claim) -> Iterator[Claim]:
    """A claim of 150 MiB, with a server and a backup."""
    if OS_USER is None:
        pytest.skip("only root can make a file system that ends")
    volume = claim.data.parent
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=150m", "tmpfs", volume], check=True)
    try:
        subprocess.run(["chown", OS_USER, volume], check=True)
        claim.initialise()
        claim.backrest("stanza-create", "--no-online")
        claim.start()
        claim.backrest("backup", "--type=full")
        yield claim
    finally:
        claim.kill()
        subprocess.run(["umount", volume], check=True)


def grow(claim: Claim) -> None:
    """Make the volume larger, as EBS does while it is mounted."""
    subprocess.run(["mount", "-o", "remount,size=400m", claim.data.parent], check=True)


def write(claim: Claim, most: int = 1000) -> int:
    """Insert batches, until one is refused; how many were acknowledged."""
    claim.sql("CREATE TABLE IF NOT EXISTS batches (batch int, filler text)")
    for batch in range(most):
        try:
            claim.sql(BATCH.format(batch + 1))
        except AssertionError:
            return batch
    return most


def said_in_status(claim: Claim) -> str:
    """What `status` reads from the server's log, without the line of keep-backups."""
    now = datetime.now(UTC)
    log = (claim.path / "server.log").read_text().splitlines()
    said, _ = server_log.judge([LogLine(now, line) for line in log], now)
    return " ".join(said)


# Go on in the next file of the log; PostgreSQL does nothing if this one is empty.
NEXT_FILE = ("SELECT pg_logical_emit_message(true, '', 'x')", "SELECT pg_switch_wal()")


def keep_room_for_the_log(claim: Claim) -> None:
    """Have PostgreSQL keep files that it has archived for what it logs next."""
    for _ in range(3):
        claim.sql(*NEXT_FILE)
    claim.archive_all()
    claim.sql("CHECKPOINT")


def test_a_full_volume_is_named_the_server_reads_on_and_writes_when_it_has_grown(small):
    """The log has room here, and none in the next test: which is full first decides."""
    keep_room_for_the_log(small)
    small.sql("CREATE UNLOGGED TABLE batches (batch int, filler text)")
    small.begin("keep-backups", REPORT_SECONDS="0.2")
    acknowledged = write(small)

    assert small.sql(FOUND) == f"{acknowledged} {acknowledged * 5000}"
    small.wait_until(lambda: (states(small)[-1].disk or 0) >= DISK_FULL, "that it is full")
    assert said_in_status(small).startswith("the database's volume is full: could not extend file")

    grow(small)
    small.sql(BATCH.format(acknowledged + 1))
    small.wait_until(lambda: (states(small)[-1].disk or 100) < DISK_FULL, "that it has room")
    assert small.sql(FOUND) == f"{acknowledged + 1} {(acknowledged + 1) * 5000}"


def test_a_server_that_finds_no_room_for_its_log_ends_and_loses_nothing(small):
    """The log has waited for a repository that is away, say, and has taken the last byte."""
    acknowledged = write(small, 3)
    room = os.statvfs(small.data)
    (small.data.parent / "waiting").write_bytes(bytes(room.f_bavail * room.f_bsize))
    while small.servers():
        with contextlib.suppress(AssertionError):
            small.sql(*NEXT_FILE)
    assert said_in_status(small).startswith("the database's volume is full: ")

    grow(small)
    small.start()
    assert small.sql(FOUND) == f"{acknowledged} {acknowledged * 5000}"
