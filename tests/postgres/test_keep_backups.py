"""The container beside the server: which backup is due, and what happens when none can be taken."""

from __future__ import annotations

import json
import re
import signal
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from ci.argocd.client import LogLine
from ci.oncall import server_log
from ci.oncall.backup_state import BackupState, meaning
from coworking.checks import NOT_ARCHIVED_SINCE

if TYPE_CHECKING:
    from tests.postgres.claim import Claim


def kinds(claim: Claim) -> list[str]:
    """The kinds of the backups that there are, oldest first."""
    return re.findall(r"^ +(full|diff|incr) backup", claim.backrest("info"), re.MULTILINE)


def test_the_first_backup_makes_the_repository_and_is_verified(claim):
    claim.initialise()
    claim.start()
    running = claim.begin("keep-backups")
    claim.wait_until(lambda: "verify command end" in claim.said(), "the verification")
    assert kinds(claim) == ["full"]
    assert running.poll() is None


def test_each_kind_follows_when_it_is_due(backed_up):
    first = backed_up.begin("keep-backups", INCR_SECONDS="1")
    backed_up.wait_until(lambda: "incr" in kinds(backed_up), "an incremental backup")
    first.terminate()
    first.wait(30)
    backed_up.begin("keep-backups", DIFF_SECONDS="1")
    backed_up.wait_until(lambda: "diff" in kinds(backed_up), "a differential backup")
    assert kinds(backed_up)[:2] == ["full", "incr"]


def test_nothing_is_taken_while_nothing_is_due(backed_up):
    running = backed_up.begin("keep-backups", POLL_SECONDS="0.05")
    backed_up.wait_until(lambda: "A full backup every" in backed_up.said(), "its first line")
    backed_up.sql("SELECT pg_sleep(2)")  # it looks twenty times a second, less what a look takes
    running.send_signal(signal.SIGTERM)
    assert running.wait(30) == 143
    assert kinds(backed_up) == ["full"]


def test_it_goes_on_after_the_bucket_was_away_and_the_server_serves_meanwhile(claim):
    bucket = "made-later"
    claim.variables = {"PGBACKREST_REPO1_S3_BUCKET": bucket}
    claim.initialise()
    claim.start()
    claim.begin("keep-backups")
    claim.wait_until(lambda: "can't be asked" in claim.said(), "the sentence")
    claim.sql("CREATE ROLE reader", "CREATE TABLE tokens (id int)", "SELECT pg_switch_wal()")
    claim.wait_until(
        lambda: claim.sql("SELECT failed_count > 0 FROM pg_stat_archiver") == "t", "a failure"
    )
    assert claim.said().count("No backup is taken") == 1
    assert claim.sql(f"SET ROLE reader; {NOT_ARCHIVED_SINCE}") != ""
    claim.repository.client.create_bucket(Bucket=bucket)
    claim.wait_until(lambda: "backup command end: completed" in claim.said(), "a backup", 120)
    assert kinds(claim) == ["full"]
    assert claim.sql(f"SET ROLE reader; {NOT_ARCHIVED_SINCE}") == ""


def test_a_fresh_server_archives_in_time_too(claim):
    """PostgreSQL alone begins five minutes after its start."""
    settings = claim.path / "archiving.conf"
    text = settings.read_text()
    settings.write_text(text.replace("archive_timeout = 30", "archive_timeout = 3"))
    assert settings.read_text() != text
    claim.initialise()
    claim.backrest("stanza-create", "--no-online")
    claim.start()
    claim.begin(
        "keep-backups",
        FULL_SECONDS="9999999999",
        DIFF_SECONDS="9999999999",
        INCR_SECONDS="9999999999",
    )
    claim.sql("CREATE TABLE tokens (id int)")
    segment = claim.sql("SELECT pg_walfile_name(pg_current_wal_lsn())")
    claim.wait_until(
        lambda: claim.sql("SELECT last_archived_wal FROM pg_stat_archiver") >= segment,
        f"the archived segment {segment}",
        45,
    )


def test_backups_are_kept_for_28_days_unless_an_overlay_says_otherwise(backed_up):
    assert "--repo1-retention-full=28 " in backed_up.backrest("--dry-run", "expire")
    backed_up.variables = {"PGBACKREST_REPO1_RETENTION_FULL": "14"}
    assert "--repo1-retention-full=14 " in backed_up.backrest("--dry-run", "expire")


def states(claim: Claim) -> list[BackupState]:
    """What `status` reads from the lines that the program has said, the oldest first."""
    at = datetime.now(UTC)
    lines = [LogLine(at, line) for line in claim.said().splitlines()]
    return [state for line in lines if (state := BackupState.parse(line))]


def test_status_reads_how_the_backups_are_from_its_lines(backed_up):
    label = json.loads(backed_up.backrest("--output=json", "info"))[0]["backup"][0]["label"]
    backed_up.backrest("annotate", f"--set={label}", "--annotation=proven=1795946956")
    backed_up.archive_all()
    backed_up.begin("keep-backups", REPORT_SECONDS="0.2")
    backed_up.wait_until(
        lambda: bool(states(backed_up)[-1:]) and states(backed_up)[-1].asked is not None, "a state"
    )
    state = states(backed_up)[-1]
    assert (state.repository, state.server, state.waiting) == ("backups", "up", 0)
    assert state.newest == state.oldest == state.proven == label
    assert state.proven_at == datetime(2026, 11, 29, 10, 9, 16, tzinfo=UTC)
    assert (state.damaged, state.dropped_at, state.running, state.every) == (False, None, "", 3600)
    assert state.archived_at is not None
    assert abs((datetime.now(UTC) - state.archived_at).total_seconds()) < 100
    assert state.disk is not None
    assert 0 <= state.disk <= 100


def test_a_bucket_that_is_away_is_in_the_line_with_the_words_of_s3(backed_up):
    backed_up.variables = {"PGBACKREST_REPO1_S3_BUCKET": "absent"}
    backed_up.stop()
    backed_up.start()
    backed_up.sql("CREATE TABLE more (id int)", "SELECT pg_switch_wal()")
    backed_up.begin("keep-backups", REPORT_SECONDS="0.2")
    backed_up.wait_until(
        lambda: any(s.repository == "away" and s.waiting for s in states(backed_up)), "the line"
    )
    state = states(backed_up)[-1]
    assert state.why == "[ProtocolError] HTTP request failed with 404 (Not Found): NoSuchBucket"
    assert state.waiting_since is not None
    assert meaning(state.why).startswith("the bucket is not there")


def test_the_backups_are_still_known_while_the_repository_is_away(backed_up):
    label = json.loads(backed_up.backrest("--output=json", "info"))[0]["backup"][0]["label"]
    backed_up.begin("keep-backups", REPORT_SECONDS="0.2")
    backed_up.wait_until(lambda: any(s.newest for s in states(backed_up)), "the backup")
    client, bucket = backed_up.repository.client, backed_up.repository.bucket
    keys = [key for key in backed_up.repository.keys("backup") if "backup.info" in key]
    for key in keys:
        client.put_object(Bucket=bucket, Key=key, Body=b"not what pgBackRest wrote")
    backed_up.wait_until(lambda: states(backed_up)[-1].repository == "away", "that it is away")
    state = states(backed_up)[-1]
    assert (state.newest, state.why.split("]")[0]) == (label, "[CryptoError")
    assert meaning(state.why).startswith("BACKUP_KEY doesn't open it")


def test_log_that_was_dropped_is_reported_and_the_next_backup_ends_the_gap(backed_up):
    """pgBackRest drops what exceeds the queue, and PostgreSQL takes it for archived."""
    backed_up.variables = {
        "PGBACKREST_ARCHIVE_PUSH_QUEUE_MAX": "1MiB",
        "PGBACKREST_ARCHIVE_TIMEOUT": "1",
    }
    backed_up.stop()
    backed_up.start()
    backed_up.sql("CREATE TABLE more (id int)")
    backed_up.archive_all()
    backed_up.begin("keep-backups", REPORT_SECONDS="0.2")
    backed_up.wait_until(lambda: any(s.dropped_at for s in states(backed_up)), "the gap")
    assert kinds(backed_up) == ["full"]
    backed_up.stop()
    backed_up.variables = {}
    backed_up.start()
    backed_up.wait_until(lambda: kinds(backed_up) == ["full", "incr"], "a backup")
    backed_up.wait_until(lambda: states(backed_up)[-1].dropped_at is None, "the end of the gap")


def test_a_server_that_is_away_is_reported_too(claim):
    claim.begin("keep-backups", REPORT_SECONDS="0.2")
    claim.wait_until(lambda: len(states(claim)) > 1, "two lines")
    state = states(claim)[-1]
    assert (state.server, state.repository, state.asked) == ("away", "", None)


def test_a_corrupted_page_is_noticed_by_the_server_its_log_and_the_backup(backed_up):
    file = backed_up.data / backed_up.sql("SELECT pg_relation_filepath('tokens')")
    backed_up.stop()
    with file.open("r+b") as page:
        page.seek(5000)
        page.write(b"other bytes")
    backed_up.start()
    with pytest.raises(AssertionError, match="invalid page in block 0"):
        backed_up.sql("SELECT count(*) FROM tokens")
    backed_up.begin("keep-backups", DIFF_SECONDS="1", REPORT_SECONDS="0.2")
    backed_up.wait_until(
        lambda: any(s.bad_pages and s.checksums for s in states(backed_up)), "the count"
    )
    backed_up.wait_until(lambda: any(s.damaged for s in states(backed_up)), "the damaged backup")
    now = datetime.now(UTC)
    log = (backed_up.path / "server.log").read_text().splitlines()
    [said], _ = server_log.judge([LogLine(now, line) for line in log], now)
    assert "corrupted page: invalid page in block 0 of relation base/" in said
