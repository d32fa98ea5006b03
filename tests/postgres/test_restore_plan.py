"""What `ci restore` would write into git, given to the real `fill-claim`."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ci.errors import CommandError
from ci.oncall.moment import LATEST, RestorePoint, target_of
from ci.oncall.restore_plan import Found, look, mark_the_end, next_claim
from ci.tree.claim import Claim as InGit
from tests.postgres.test_fill_claim import moment

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.postgres.claim import Claim

FIRST = InGit("data-postgresql-0")


def asks(claim: Claim) -> Callable[..., str]:
    """What runs a command as in the pod."""

    def ask(*command: str) -> str:
        sockets = ["-h", str(claim.run)] if command[0] == "psql" else []
        try:
            return claim.run_program(command[0], *sockets, *command[1:])
        except AssertionError as error:
            raise CommandError(command[0], 1, str(error)) from error

    return ask


def asked(claim: Claim, in_git: InGit) -> Found:
    """What there is to restore."""
    return look(asks(claim), in_git, "coworking-prod", None)


def variables(found: Found, point: RestorePoint, in_git: InGit) -> dict[str, str]:
    """The restore that git would name, as the container gets it."""
    named = next_claim(found, point, in_git, [])
    return {
        "RESTORE_TO": named.to,
        "RESTORE_SET": named.backup,
        "RESTORE_TIMELINE": named.timeline,
        "RESTORE_AFTER": str(named.after),
    }


def test_the_history_that_went_on_is_followed_by_what_git_would_name(backed_up, new_claim):
    """Restored to a moment, reverted, written to, lost: the reverted history with its new rows."""
    backed_up.sql("INSERT INTO tokens SELECT generate_series(101, 150)")
    time.sleep(1)
    before = target_of(moment(backed_up) + ":00", None, datetime.now(UTC) + timedelta(minutes=1))
    backed_up.sql("INSERT INTO tokens SELECT generate_series(151, 160)")
    backed_up.archive_all()
    found = asked(backed_up, FIRST)
    assert (found.serves, found.lineage.timeline, found.newest) == (True, 1, 1)
    backed_up.stop()
    left = new_claim()
    left.serve(**variables(found, before, FIRST))
    assert left.sql("SELECT count(*) FROM tokens") == "150"
    found = asked(left, InGit("data-postgresql-1", before.to, "", "1", 1))
    assert (found.serves, found.lineage.timeline, found.newest) == (True, 2, 2)
    # What was left lies on the other history from there on.
    assert list(found.lineage.ended) == [1]
    left.backrest("backup", "--type=diff")
    left.stop()
    backed_up.start()
    backed_up.sql("INSERT INTO tokens SELECT generate_series(161, 170)")
    backed_up.archive_all()
    backed_up.lose()
    # By git alone: the claim that the revert names was never restored.
    found = asked(backed_up, FIRST)
    assert (found.serves, found.lineage.timeline, found.newest) == (False, 1, 2)
    again = new_claim()
    again.serve(**variables(found, RestorePoint(LATEST), FIRST))
    assert again.sql("SELECT count(*), max(id) FROM tokens") == "170|170"
    # The newest backup is of the history that was left: begun with, it could not be replayed.
    assert found.holdings.backups[-1].timeline == 2


def test_a_moment_after_the_last_write_is_reached(backed_up, new_claim):
    """PostgreSQL stops at a commit after the moment, and refuses where there is none."""
    backed_up.archive_all()
    time.sleep(1)
    quiet = target_of(moment(backed_up) + ":00", None, datetime.now(UTC) + timedelta(minutes=1))
    found = asked(backed_up, FIRST)
    mark_the_end(asks(backed_up))
    backed_up.stop()
    restored = new_claim()
    restored.serve(**variables(found, quiet, FIRST))
    assert restored.sql("SELECT count(*) FROM tokens") == "100"
