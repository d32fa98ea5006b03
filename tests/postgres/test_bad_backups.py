"""Twelve backups that can't be restored: each is refused with a sentence, and nothing is changed.

Six kinds, each in two shapes. The repositories are folders, so that their files can be damaged.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.postgres.claim import OS_USER, Claim
from tests.postgres.local import LocalRepository, halve
from tests.postgres.test_fill_claim import contents, moment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KEY, OTHER_KEY = "the-key-that-is-sealed-in-git-now", "the-key-of-a-year-ago-in-another-safe"
GOES_BACK = "going back to the claim before loses nothing"
OTHER_CLAIM = "Name another moment, or go back to the claim before"


class History(NamedTuple):
    """A database that was backed up, and what its log holds since.

    Attributes:
        claim: the serving claim; its server is stopped.
        repository: its backups.
        other: another database's, of the same version.
        sealed: a backup that is encrypted with KEY.
        sealed_before: one with OTHER_KEY.
        segment: a segment of the log before the moment, which holds row 101.
        theirs: the same of the other database.
        at: the moment, after row 102 and before row 103.
    """

    claim: Claim
    repository: LocalRepository
    other: LocalRepository
    sealed: LocalRepository
    sealed_before: LocalRepository
    segment: str
    theirs: str
    at: str


def database(folder: Path, name: str) -> Claim:
    """A server on a new claim, with 100 rows and a full backup of them."""
    repository = LocalRepository(folder / f"repository-{name}").make()
    claim = Claim(Path(tempfile.mkdtemp(prefix=f"{name}-", dir=folder)), repository)
    claim.initialise()
    claim.start()
    claim.sql("CREATE TABLE tokens (id int)", "INSERT INTO tokens SELECT generate_series(1, 100)")
    claim.backrest("stanza-create")
    claim.backrest("backup", "--type=full")
    time.sleep(1.1)  # pgBackRest compares a moment with the second that a backup ended in
    return claim


def _write(claim: Claim) -> tuple[str, str]:
    """Rows 101 to 103, each in a segment of its own; the first one's, and the moment before 103."""
    segment = claim.sql("SELECT pg_walfile_name(pg_switch_wal())") and claim.sql(
        "INSERT INTO tokens VALUES (101)", "SELECT pg_walfile_name(pg_current_wal_lsn())"
    )
    claim.sql("SELECT pg_switch_wal()", "INSERT INTO tokens VALUES (102)")
    at = moment(claim)
    claim.sql("INSERT INTO tokens VALUES (103)")
    claim.archive_all()
    claim.stop()
    return segment, at


def _encrypted(claim: Claim, folder: Path, key: str) -> LocalRepository:
    """A backup of a stopped database, in a repository with a key."""
    repository = LocalRepository(folder / f"repository-{key}", key).make()
    before, claim.repository = claim.repository, repository
    claim.backrest("--no-online", "stanza-create")
    claim.backrest("--no-online", "backup", "--type=full")
    claim.repository = before
    return repository


@pytest.fixture(scope="module")
def history(folder: Path) -> Iterator[History]:
    """What the cases copy and damage."""
    claim = database(folder, "served")
    other = database(folder, "other")
    try:
        segment, at = _write(claim)
        theirs, _ = _write(other)
        sealed, before = (_encrypted(claim, folder, key) for key in (KEY, OTHER_KEY))
        yield History(
            claim, claim.repository, other.repository, sealed, before, segment, theirs, at
        )
    finally:
        claim.kill()
        other.kill()


@pytest.fixture
def new_place(folder: Path) -> Iterator[Callable[[LocalRepository], Claim]]:
    """Copy a repository, and make an empty claim for it."""
    made: list[Claim] = []

    def make(source: LocalRepository) -> Claim:
        path = Path(tempfile.mkdtemp(prefix="bad-", dir=folder))
        path.chmod(0o755)
        repository = source.copy(path / "repository")
        (path / "claim").mkdir()
        made.append(Claim(path / "claim", repository))
        return made[-1]

    yield make
    for claim in made:
        claim.kill()
        shutil.rmtree(claim.path.parent)


def owned(claim: Claim) -> None:
    """Give what a test has copied to PostgreSQL's own user."""
    if OS_USER:
        subprocess.run(["chown", "-R", OS_USER, claim.path.parent], check=True)


def refuses(claim: Claim, served: Claim, *words: str, **variables: str) -> None:
    """Whether a restore ends with these words, and without a change of what was there before."""
    repository = claim.repository.folder
    before = contents(repository), contents(served.path / "data")
    status, said = claim.fill(PGBACKREST_JOB_RETRY="0", **variables)
    assert status == 1, said
    for each in words:
        assert each in said
    assert (contents(repository), contents(served.path / "data")) == before


def test_the_history_can_be_restored_when_nothing_is_damaged(history, new_place):
    """Otherwise the others would be refused for a reason of the test's own."""
    claim = new_place(history.repository)
    claim.serve(RESTORE_TO=history.at)
    assert claim.sql("SELECT max(id) FROM tokens") == "102"


# --- truncated -----------------------------------------------------------------------------------


def test_a_backup_whose_files_end_too_early_is_refused(history, new_place):
    claim = new_place(history.repository)
    halve(claim.repository.biggest())
    refuses(claim, history.claim, "ERROR: [", GOES_BACK, RESTORE_TO=history.at)


def test_a_backup_whose_list_of_files_ends_too_early_is_refused(history, new_place):
    claim = new_place(history.repository)
    for name in ("backup.manifest", "backup.manifest.copy"):
        halve(claim.repository.backup() / name)
    refuses(claim, history.claim, "backup.manifest", GOES_BACK, RESTORE_TO=history.at)
    assert not (claim.data / "PG_VERSION").exists()


# --- another database's --------------------------------------------------------------------------


def test_a_path_with_another_databases_backups_is_refused(history, new_place):
    claim = new_place(history.other)
    shutil.copytree(history.claim.data, claim.data, symlinks=True)
    owned(claim)
    before = contents(claim.data)
    words = "The claim holds database", "Name the claim, or the repository's path"
    refuses(claim, history.claim, *words, RESTORE_TO="latest")
    assert contents(claim.data) == before


def test_another_databases_log_is_refused(history, new_place):
    claim = new_place(history.repository)
    ours = claim.repository.segment(history.segment)
    theirs = history.other.segment(history.theirs)
    ours.unlink()
    digest = theirs.name.removeprefix(history.theirs)
    shutil.copy(theirs, ours.with_name(f"{history.segment}{digest}"))
    owned(claim)
    refuses(claim, history.claim, "can't be replayed", OTHER_CLAIM, RESTORE_TO=history.at)


# --- a wrong key ---------------------------------------------------------------------------------


def test_a_repository_that_the_key_does_not_open_is_waited_for(history, new_place):
    claim = new_place(history.sealed._replace(key=OTHER_KEY))
    before = contents(claim.repository.folder)
    waiting = claim.begin("fill-claim", RESTORE_TO="latest")
    claim.wait_until(lambda: "Waiting for the repository" in claim.said(), "the sentence")
    assert "BACKUP_KEY is not the key of" in claim.said()
    assert waiting.poll() is None
    assert contents(claim.path / "data") == {}
    assert contents(claim.repository.folder) == before


def test_a_backup_that_was_written_with_another_key_is_refused(history, new_place):
    claim = new_place(history.sealed)
    label = claim.repository.backup()
    shutil.rmtree(label)
    shutil.copytree(history.sealed_before.backup(), label)
    owned(claim)
    refuses(claim, history.claim, "backup.manifest", GOES_BACK, RESTORE_TO="latest")
    assert not (claim.data / "PG_VERSION").exists()


# --- a newer PostgreSQL --------------------------------------------------------------------------


@pytest.mark.parametrize("program", ["fill-claim", "prove-backup"])
def test_an_image_that_is_older_than_the_backups_is_refused(history, new_place, program):
    """By the restore and by the weekly proof."""
    claim = new_place(history.repository)
    programs = claim.path / "bin"
    programs.mkdir()
    (programs / "postgres").write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 14.9'\n")
    (programs / "postgres").chmod(0o755)
    before = contents(claim.repository.folder)
    path = f"{programs}:{claim.environment()['PATH']}"
    status, said = claim.to_its_end(program, RESTORE_TO="latest", PATH=path)
    assert status == 1, said
    assert "holds backups of PostgreSQL 15, and this image is PostgreSQL 14" in said
    assert "Name an image of" in said
    assert contents(claim.path / "data") == {}
    assert contents(claim.repository.folder) == before


# --- a gap in the log before the moment ----------------------------------------------------------


def test_a_log_that_lacks_a_segment_is_refused(history, new_place):
    claim = new_place(history.repository)
    claim.repository.segment(history.segment).unlink()
    words = "ended before configured recovery target was reached", OTHER_CLAIM
    refuses(claim, history.claim, *words, RESTORE_TO=history.at)


def test_a_log_with_a_segment_that_ends_too_early_is_refused(history, new_place):
    claim = new_place(history.repository)
    halve(claim.repository.segment(history.segment))
    words = "ended before configured recovery target was reached", OTHER_CLAIM
    refuses(claim, history.claim, *words, RESTORE_TO=history.at)


# --- a moment outside of what is kept ------------------------------------------------------------


def test_a_moment_before_the_first_backup_is_refused(history, new_place):
    claim = new_place(history.repository)
    refuses(claim, history.claim, "2001-01-01", GOES_BACK, RESTORE_TO="2001-01-01 00:00:00+00")
    assert not (claim.data / "PG_VERSION").exists()


def test_a_moment_that_is_still_to_come_is_refused(history, new_place):
    words = "ended before configured recovery target was reached", OTHER_CLAIM
    claim = new_place(history.repository)
    to_come = f"{datetime.now(UTC) + timedelta(hours=1):%Y-%m-%d %H:%M:%S}+00"
    refuses(claim, history.claim, *words, RESTORE_TO=to_come)
