"""The container beside the server: which backup is due, and what happens when none can be taken."""

from __future__ import annotations

import re
import signal
from typing import TYPE_CHECKING

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
    claim.sql("CREATE TABLE tokens (id int)", "SELECT pg_switch_wal()")
    claim.wait_until(
        lambda: claim.sql("SELECT failed_count > 0 FROM pg_stat_archiver") == "t", "a failure"
    )
    assert claim.said().count("No backup is taken") == 1
    claim.repository.client.create_bucket(Bucket=bucket)
    claim.wait_until(lambda: "backup command end: completed" in claim.said(), "a backup", 120)
    assert kinds(claim) == ["full"]


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
