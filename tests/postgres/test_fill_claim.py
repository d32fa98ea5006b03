"""The four states of a claim, and what `fill-claim` does in each."""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from base64 import b64decode
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.postgres.claim import Claim


def moment(claim: Claim) -> str:
    """The server's time now; what is written before and after it is not of the same instant."""
    time.sleep(0.05)
    now = claim.sql("SELECT now() AT TIME ZONE 'UTC' || '+00'")
    time.sleep(0.05)
    return now


def contents(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file with its size and time of change."""
    return {
        str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def is_verifier_of(password: str, stored: str) -> bool:
    """Whether PostgreSQL lets somebody in by this password, by what it keeps of it (RFC 5802)."""
    _, rounds_and_salt, keys = stored.split("$")
    rounds, salt = rounds_and_salt.split(":")
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), b64decode(salt), int(rounds))
    client = hmac.digest(salted, b"Client Key", "sha256")
    return b64decode(keys.split(":")[0]) == hashlib.sha256(client).digest()


def rows(claim: Claim) -> int:
    """How many rows `tokens` has."""
    return int(claim.sql("SELECT count(*) FROM tokens"))


# --- an empty claim ------------------------------------------------------------------------------


def test_an_empty_claim_and_an_unused_repository_are_left_to_the_server(claim):
    status, said = claim.fill()
    assert (status, "a new database begins" in said) == (0, True), said
    assert contents(claim.path / "data") == {}


def test_the_moment_before_a_dropped_table_comes_back(backed_up, new_claim):
    backed_up.sql("INSERT INTO tokens SELECT generate_series(101, 150)")
    before = moment(backed_up)
    backed_up.sql("INSERT INTO tokens VALUES (151)", "DROP TABLE tokens")
    backed_up.archive_all()
    backed_up.stop()
    restored = new_claim()
    restored.serve(RESTORE_TO=before, RESTORE_AFTER="1")
    assert restored.sql("SELECT count(*), sum(id) FROM tokens") == f"150|{sum(range(151))}"
    assert restored.sql("SELECT pg_is_in_recovery()") == "f"


def test_latest_brings_every_archived_row(backed_up, new_claim):
    backed_up.sql("INSERT INTO tokens SELECT generate_series(101, 150)")
    backed_up.archive_all()
    backed_up.kill()
    restored = new_claim()
    restored.serve(RESTORE_TO="latest", RESTORE_AFTER="1")
    assert rows(restored) == 150


def test_a_backup_by_its_name_is_the_state_at_its_end(backed_up, new_claim):
    backed_up.sql("INSERT INTO tokens VALUES (101)")
    backed_up.backrest("backup", "--type=incr")
    (label,) = re.findall(r"incr backup: (\S+)", backed_up.backrest("info"))
    backed_up.sql("INSERT INTO tokens VALUES (102)")
    backed_up.archive_all()
    restored = new_claim()
    restored.serve(RESTORE_TO=label, RESTORE_AFTER="1")
    assert rows(restored) == 101


def test_a_restored_database_takes_the_password_of_today(backed_up, new_claim):
    backed_up.archive_all()
    restored = new_claim()
    (restored.path / "password").write_text("it's `quoted`\n")
    restored.serve(RESTORE_TO="latest")
    stored = restored.sql("SELECT rolpassword FROM pg_authid WHERE rolname = 'coworking'")
    assert is_verifier_of("it's `quoted`", stored)
    assert "quoted" not in restored.said()


def test_an_empty_claim_waits_where_backups_are_and_no_restore_is_asked_for(backed_up, new_claim):
    other = new_claim()
    waiting = other.begin("fill-claim")
    other.wait_until(lambda: "restore, or start over" in other.said(), "the sentence")
    time.sleep(1)  # several looks at the repository later
    assert waiting.poll() is None
    assert other.said().count("restore, or start over") == 1
    assert contents(other.path / "data") == {}


def test_an_empty_claim_waits_for_a_repository_that_cant_be_asked(claim):
    absent = "made-while-it-waits"
    waiting = claim.begin("fill-claim", PGBACKREST_REPO1_S3_BUCKET=absent)
    claim.wait_until(lambda: "can't be asked" in claim.said(), "the sentence")
    assert "404" in claim.said()
    assert waiting.poll() is None
    claim.repository.client.create_bucket(Bucket=absent)
    assert waiting.wait(30) == 0
    assert "a new database begins" in claim.said()


def test_an_empty_claim_waits_when_the_key_is_not_the_repositorys(backed_up, new_claim):
    other = new_claim()
    other.begin("fill-claim", RESTORE_TO="latest", PGBACKREST_REPO1_CIPHER_PASS="another-key")
    other.wait_until(lambda: "can't be asked" in other.said(), "the sentence")
    assert contents(other.path / "data") == {}


def test_a_restore_that_was_done_is_not_done_again(backed_up, new_claim):
    before = moment(backed_up)
    backed_up.sql("INSERT INTO tokens VALUES (101)")
    backed_up.archive_all()
    backed_up.stop()
    restored = new_claim()
    assert restored.fill(RESTORE_TO=before, RESTORE_AFTER="1")[0] == 0
    restored.start()
    restored.sql("INSERT INTO tokens SELECT generate_series(201, 300)")
    restored.archive_all()
    restored.lose()
    restored.begin("fill-claim", RESTORE_TO=before, RESTORE_AFTER="1")
    restored.wait_until(lambda: "was done before" in restored.said(), "the sentence")
    assert not restored.data.exists()


# --- a claim with data ---------------------------------------------------------------------------


@pytest.mark.parametrize("restore", ["", "latest"])
def test_this_databases_data_is_left_alone(backed_up, restore):
    backed_up.stop()
    before = contents(backed_up.path / "data")
    status, said = backed_up.fill(RESTORE_TO=restore)
    assert (status, "nothing to do" in said) == (0, True), said
    assert contents(backed_up.path / "data") == before


def test_this_databases_data_is_served_while_the_repository_is_away(backed_up):
    backed_up.stop()
    status, said = backed_up.fill(PGBACKREST_REPO1_STORAGE_PORT="1")
    assert (status, "data is served" in said) == (0, True), said


def test_another_databases_data_stops_it(backed_up, new_claim):
    other = new_claim()
    other.initialise()
    before = contents(other.path / "data")
    status, said = other.fill(RESTORE_TO="latest")
    assert status == 1
    assert "the repository holds the backups of" in said
    assert contents(other.path / "data") == before


def test_files_that_are_no_database_stop_it(claim):
    claim.data.mkdir()
    (claim.data / "notes").write_text("somebody's")
    status, said = claim.fill()
    assert (status, "holds files and no PG_VERSION" in said) == (1, True), said
    assert (claim.data / "notes").read_text() == "somebody's"


# --- a restore that was killed -------------------------------------------------------------------


@pytest.mark.parametrize("at", ["restore-under-way", "data/pgdata/base", "replay.log"])
def test_a_killed_restore_goes_on(backed_up, new_claim, at):
    backed_up.sql("INSERT INTO tokens SELECT generate_series(101, 150)")
    backed_up.archive_all()
    restored = new_claim()
    restored.begin("fill-claim", RESTORE_TO="latest", RESTORE_AFTER="1")
    where = restored.path / "data" if at != "data/pgdata/base" else restored.path
    restored.wait_until((where / at).exists, at)
    restored.kill()
    status, said = restored.fill(RESTORE_TO="latest", RESTORE_AFTER="1")
    assert (status, "Going on" in said) == (0, True), said
    restored.start()
    assert rows(restored) == 150
    assert {path.name for path in (restored.path / "data").iterdir()} == {"pgdata"}


def test_a_half_filled_claim_is_not_served_when_git_asks_for_no_restore(backed_up, new_claim):
    restored = new_claim()
    restored.begin("fill-claim", RESTORE_TO="latest")
    restored.wait_until((restored.path / "data" / "restore-under-way").exists, "the marker")
    restored.kill()
    status, said = restored.fill()
    assert (status, "killed half-way" in said) == (1, True), said


# --- histories -----------------------------------------------------------------------------------


def test_after_a_restore_and_a_revert_the_history_that_went_on_is_restored(backed_up, new_claim):
    before = moment(backed_up)
    backed_up.sql("INSERT INTO tokens SELECT generate_series(101, 150)")
    backed_up.archive_all()
    backed_up.stop()
    left = new_claim()
    assert left.fill(RESTORE_TO=before, RESTORE_AFTER="1")[0] == 0
    left.start()
    left.sql("INSERT INTO tokens SELECT generate_series(1001, 1500)")
    left.archive_all()
    left.stop()
    # `git revert`: the claim before serves again, is written to and backed up.
    backed_up.start()
    backed_up.sql("INSERT INTO tokens SELECT generate_series(151, 160)")
    backed_up.backrest("backup", "--type=diff")
    backed_up.sql("INSERT INTO tokens SELECT generate_series(161, 170)")
    backed_up.archive_all()
    backed_up.lose()
    again = new_claim()
    again.serve(RESTORE_TO="latest", RESTORE_TIMELINE="1", RESTORE_AFTER="2")
    assert again.sql("SELECT count(*), max(id) FROM tokens") == "170|170"
    assert again.sql("SELECT timeline_id FROM pg_control_checkpoint()") == "3"


# --- bad backups ---------------------------------------------------------------------------------


def test_a_gap_in_the_log_before_the_moment_is_refused(backed_up, new_claim):
    backed_up.archive_all()
    backed_up.sql("INSERT INTO tokens VALUES (101)")
    segment = backed_up.sql("SELECT pg_walfile_name(pg_current_wal_lsn())")
    backed_up.archive_all()
    backed_up.sql("INSERT INTO tokens VALUES (102)")
    after = moment(backed_up)
    backed_up.sql("INSERT INTO tokens VALUES (103)")
    backed_up.archive_all()
    logs = [key for key in backed_up.repository.keys("archive") if key.endswith(".zst")]
    (lost,) = [key for key in logs if segment in key]
    backed_up.repository.client.delete_object(Bucket=backed_up.repository.bucket, Key=lost)
    restored = new_claim()
    status, said = restored.fill(RESTORE_TO=after)
    assert status == 1
    assert "recovery ended before configured recovery target was reached" in said
    assert rows(backed_up) == 103


def test_a_moment_that_is_still_to_come_is_refused(backed_up, new_claim):
    to_come = backed_up.sql("SELECT now() AT TIME ZONE 'UTC' + interval '1 hour' || '+00'")
    backed_up.archive_all()
    status, said = new_claim().fill(RESTORE_TO=to_come)
    assert (status, "before configured recovery target" in said) == (1, True), said


def test_a_moment_before_the_first_backup_is_refused(backed_up, new_claim):
    status, said = new_claim().fill(RESTORE_TO="2001-01-01 00:00:00+00")
    assert (status, "failed, for the reason above" in said) == (1, True), said


def test_a_truncated_backup_is_refused(backed_up, new_claim):
    repository = backed_up.repository
    files = [key for key in repository.keys("backup") if "pg_data/base" in key or "/bundle/" in key]
    client, where = repository.client, {"Bucket": repository.bucket}
    biggest = max(files, key=lambda key: client.head_object(**where, Key=key)["ContentLength"])
    body = client.get_object(**where, Key=biggest)["Body"].read()
    client.put_object(**where, Key=biggest, Body=body[: len(body) // 2])
    status, said = new_claim().fill(RESTORE_TO="latest", PGBACKREST_JOB_RETRY="0")
    assert (status, "failed, for the reason above" in said) == (1, True), said


def test_backups_of_another_postgresql_are_refused(backed_up, new_claim):
    other = new_claim()
    programs = other.path / "bin"
    programs.mkdir()
    (programs / "postgres").write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 14.9'\n")
    (programs / "postgres").chmod(0o755)
    path = f"{programs}:{other.environment()['PATH']}"
    status, said = other.fill(RESTORE_TO="latest", PATH=path)
    assert status == 1
    assert "holds backups of PostgreSQL 15, and this image is PostgreSQL 14" in said
    assert contents(other.path / "data") == {}
