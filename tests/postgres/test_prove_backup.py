"""The weekly proof: a backup is restored, started and compared with what was counted."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.postgres.claim import Claim


def count_after_a_backup(claim: Claim) -> str:
    """Let `keep-backups` take a differential backup and count; the backup's name."""
    running = claim.begin("keep-backups", DIFF_SECONDS="1", INCR_SECONDS="1000")
    claim.wait_until(lambda: "Counted after" in claim.said(), "the count", 100)
    (label,) = re.findall(r"Counted after (\S+D):", claim.said())
    running.terminate()
    running.wait(30)
    claim.archive_all()
    return label


@pytest.fixture
def counted(backed_up: Claim) -> Claim:
    """A database with a differential backup whose 100 rows were counted, and 50 more since."""
    count_after_a_backup(backed_up)
    backed_up.sql("INSERT INTO tokens SELECT generate_series(101, 150)")
    backed_up.archive_all()
    return backed_up


def test_a_good_backup_is_proven_and_the_repository_knows_when(counted, new_claim):
    status, said = new_claim().to_its_end("prove-backup")
    assert status == 0, said
    (label, rows) = re.findall(r"Proven: backup (\S+), (.*), in", said)[0]
    assert (label[-1], rows) == ("D", "tokens 100")
    assert re.search(r'"annotation":\{"proven":"\d{10}"', counted.backrest("--output=json", "info"))
    assert not [key for key in counted.repository.keys("archive") if key.endswith(".history")]


def test_rows_written_while_they_are_counted_are_on_one_side_of_the_moment(backed_up, new_claim):
    ended = threading.Event()

    def write() -> None:
        while not ended.is_set():
            backed_up.sql("INSERT INTO tokens SELECT generate_series(1, 7)")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        count_after_a_backup(backed_up)
    finally:
        ended.set()
        writer.join()
    status, said = new_claim().to_its_end("prove-backup")
    assert status == 0, said


def test_a_backup_damaged_after_it_was_taken_is_noticed(counted, new_claim):
    repository = counted.repository
    client, where = repository.client, {"Bucket": repository.bucket}
    files = [key for key in repository.keys("backup") if "/bundle/" in key]
    biggest = max(files, key=lambda key: client.head_object(**where, Key=key)["ContentLength"])
    body = bytearray(client.get_object(**where, Key=biggest)["Body"].read())
    body[len(body) // 2 :] = bytes(len(body) - len(body) // 2)
    client.put_object(**where, Key=biggest, Body=bytes(body))
    status, said = new_claim().to_its_end("prove-backup", PGBACKREST_JOB_RETRY="0")
    assert (status, "can't be restored" in said) == (1, True), said


def test_other_rows_than_were_counted_are_noticed(counted, new_claim):
    info = counted.backrest("--output=json", "info")
    label = re.findall(r'"label":"([^"]+)"', info)[-1]
    counted.backrest("annotate", f"--set={label}", "--annotation=rows=tokens 99")
    status, said = new_claim().to_its_end("prove-backup")
    assert status == 1
    assert "Counted then: tokens 99. Restored: tokens 100." in said


def test_nothing_is_proven_where_no_rows_were_counted(backed_up, new_claim):
    status, said = new_claim().to_its_end("prove-backup")
    assert (status, "no backup whose rows were counted" in said) == (1, True), said
