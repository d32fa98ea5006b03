"""`restore ENV` after several restores: which timeline a claim served that git names again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ci.errors import InputError
from ci.oncall.restore_plan import timeline_of
from ci.tree.claim import Claim
from tests.ci.oncall.restore_cluster import FILE, HISTORY, RestoreCluster
from tests.ci.oncall.restoring import cluster, run

if TYPE_CHECKING:
    from tests.ci.argocd_server import Git

__all__ = ["cluster"]

FIRST = Claim("data-postgresql-0")
SECOND = Claim("data-postgresql-1", "2026-11-29 08:56:50+0000", after=1)
THIRD = Claim("data-postgresql-2", "latest", after=2)
FOURTH = Claim("data-postgresql-3", "latest", after=3)


@pytest.mark.parametrize(
    ("claim", "timeline"), [(FIRST, 1), (SECOND, 2), (THIRD, 3), (FOURTH, 4)], ids=str
)
def test_each_claim_served_the_timeline_that_began_before_the_next_restore_was_written(
    claim: Claim, timeline: int
) -> None:
    named_ever = [claim, FOURTH, THIRD, SECOND, FIRST]

    assert timeline_of(claim, [1, 2, 3, 4], named_ever) == timeline


def test_two_timelines_after_one_restore_are_named_to_the_person() -> None:
    with pytest.raises(InputError, match="may have served timeline 3 or 4"):
        timeline_of(THIRD, [1, 2, 3, 4], [THIRD, SECOND, FIRST])


def test_a_restore_that_never_ended_left_what_it_followed() -> None:
    begun = Claim("data-postgresql-3", "latest", timeline="2", after=3)

    assert timeline_of(begun, [1, 2, 3], [begun, THIRD, SECOND, FIRST]) == 2


def test_a_lost_volume_after_a_revert_is_restored_along_the_reverted_history(
    cluster: RestoreCluster, git: Git
) -> None:
    for claim in (SECOND, THIRD, SECOND):  # two restores, the second of which is reverted
        git.commit(FILE, claim.text())
    cluster.files = {"00000002.history": HISTORY, "00000003.history": HISTORY}
    cluster.timeline = None

    output = run(git, "--to", "latest", "--dry-run")

    assert "along timeline 2." in output
