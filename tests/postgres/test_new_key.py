"""A new key of the backups: a new path, which a database with a past goes on in."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ci.oncall.moment import LATEST, RestorePoint, target_of
from ci.tree.claim import Claim as InGit
from tests.postgres.claim import Claim
from tests.postgres.local import LocalRepository
from tests.postgres.test_bad_backups import KEY, database
from tests.postgres.test_fill_claim import moment, rows
from tests.postgres.test_restore_plan import asked, variables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def claim_of(folder: Path) -> Iterator[Callable[[LocalRepository], Claim]]:
    """Make an empty claim for a repository."""
    made: list[Claim] = []

    def make(repository: LocalRepository) -> Claim:
        made.append(Claim(Path(tempfile.mkdtemp(prefix="claim-", dir=folder)), repository))
        return made[-1]

    yield make
    for claim in made:
        claim.kill()


def test_a_restored_database_is_restored_again_from_the_path_of_a_new_key(folder, claim_of):
    first = database(folder, "first")
    before = target_of(moment(first) + ":00", None, datetime.now(UTC) + timedelta(minutes=1))
    first.sql("INSERT INTO tokens VALUES (101)")
    first.archive_all()
    first.stop()
    served = claim_of(first.repository)
    by_git = {"RESTORE_TO": before.to, "RESTORE_AFTER": "1"}
    status, said = served.fill(**by_git)
    assert status == 0, said
    # `ci rotate ENV backup-key`: another path and key, and the pod is replaced.
    served.repository = LocalRepository(folder / "of-the-new-key", KEY).make()
    status, said = served.fill(**by_git)
    assert (status, "is served, and backed up from now on" in said) == (0, True), said
    served.start()
    served.begin("keep-backups")
    served.wait_until(lambda: "Counted after" in served.said(), "a full backup")
    served.sql("INSERT INTO tokens SELECT generate_series(201, 300)")
    served.archive_all()
    served.lose()
    in_git = InGit("data-postgresql-1", before.to, "", "1", 1)
    found = asked(served, in_git)
    assert (found.lineage.timeline, found.serves) == (2, False)
    again = claim_of(served.repository)
    again.serve(**variables(found, RestorePoint(LATEST), in_git))
    assert rows(again) == 200
    # Going back to the path and the key before restores a moment before the rotation.
    earlier = claim_of(first.repository)
    earlier.serve(RESTORE_TO="latest", RESTORE_TIMELINE="1")
    assert rows(earlier) == 101
