"""Leaving prod's Application out of git takes nothing away until a person confirms it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.harness.cluster import until
from tests.e2e.harness.world import GOOD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.harness.world import World

FILE = "argocd/apps/coworking-prod.yaml"


@pytest.fixture(scope="module")
def left_out(world: World) -> Iterator[None]:
    """Prod's file is gone from git, and root waits; afterwards it is back as `status` says."""
    world.release("prod", GOOD[1].tag)
    world.repo.pull()
    world.repo.git("rm", "-q", FILE)
    world.repo.edit("argocd/apps/kustomization.yaml", r"^ +- coworking-prod\.yaml\n", "")
    world.repo.commit("Leave prod's Application out")
    world.repo.push()
    until("root waits for a person", lambda: _waits(world), within=90)
    yield
    world.repo.pull()
    if not (world.repo.folder / FILE).exists():
        _put_back(world)


def _put_back(world: World) -> None:
    """Revert the removal, and end the wait, as `status` says."""
    world.repo.pull()
    removal = world.repo.git("log", "-1", "--format=%H", "--diff-filter=D", "--", FILE)
    world.repo.git("checkout", "-q", f"{removal}~1", "--", FILE, "argocd/apps/kustomization.yaml")
    commit = world.repo.commit("Put prod's Application back")
    world.repo.push()
    world.argocd.terminate("root")
    until("root follows git again", lambda: _follows(world, commit), within=120)


def _follows(world: World, commit: str) -> bool:
    # Its last operation stays a terminated one until there is something to sync.
    root = world.app("root")
    return not root.busy and (root.sync, root.revision) == ("Synced", commit)


def _waits(world: World) -> bool:
    operation = world.app("root").operation
    return operation is not None and "waiting for pruning confirmation" in operation.message


def test_15_prod_runs_on_and_status_names_the_wait(world: World, left_out: None) -> None:
    said = world.repo.ci("status", "prod", status=1)

    assert "git no longer has coworking-prod" in said
    assert "argocd app confirm-deletion root" in said
    assert world.prod.serving(GOOD[1].tag)
    assert world.argo.exists("application", "coworking-prod")


def test_15_a_new_tag_and_a_rollback_work_meanwhile(world: World, left_out: None) -> None:
    # A hotfix is a commit of a tag, as a build's write-back is.
    world.release("prod", GOOD[2].tag)

    said = world.repo.ci("rollback", "prod")

    assert f"prod serves {GOOD[1].tag} again" in said
    assert world.prod.serving(GOOD[1].tag)
    world.repo.ci("resume", "prod")
    world.repo.pull()
    assert world.prod.serving(GOOD[1].tag)
    assert _waits(world)


def test_15_root_follows_git_again_once_the_file_is_back(world: World, left_out: None) -> None:
    _put_back(world)

    world.settle("coworking-prod")
    assert world.prod.serving(GOOD[1].tag)
    assert "git no longer has" not in world.repo.ci("status", "prod", status=None)
    # And what comes next is synced.
    world.release("prod", GOOD[3].tag)
    world.repo.edit("argocd/apps/common.yaml", r"limit: 5", "limit: 4")
    commit = world.repo.commit("Retry less")
    world.repo.push()
    world.settle("root", commit=commit)
