"""`restore ENV` called again: after it was stopped, after its end, and beside somebody else's."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import click
import pytest

from ci.errors import CiError
from ci.oncall import restore
from ci.tree.claim import Claim
from tests.ci.oncall.restore_cluster import FILE, RestoreCluster
from tests.ci.oncall.restoring import AT, FULL, ON_ONE, cluster, named, run

if TYPE_CHECKING:
    from tests.ci.argocd_server import Git

__all__ = ["cluster"]


@pytest.mark.thorough
def test_stopped_anywhere_and_called_again_it_ends_with_one_commit(
    cluster: RestoreCluster, git: Git
) -> None:
    words = ("--to", f"{AT} UTC", "--push")
    stopped = []
    for at in itertools.count(2, 4):
        cluster.calls.clear()
        cluster.interrupt = at
        try:
            output = run(git, *words)
        except click.Abort:
            stopped.append(cluster.calls[-1].split(" -- ")[-1])
            continue
        break

    assert len(stopped) > 2, stopped
    assert git.log().count("restore(prod)") == 1
    assert "prod serves" in output
    assert named(git).name == "data-postgresql-1"


def test_called_again_after_its_end_it_commits_nothing(cluster: RestoreCluster, git: Git) -> None:
    run(git, "--to", "latest", "--push")
    before = git.tip()

    output = run(git, "--to", "latest", "--push", typed="")

    assert "Git names this restore already, into data-postgresql-1" in output
    assert git.tip() == before


def test_it_restores_once_more_when_it_is_asked_to(cluster: RestoreCluster, git: Git) -> None:
    run(git, "--to", "latest", "--push")

    run(git, "--to", "latest", "--push", "--again")

    assert named(git).name == "data-postgresql-2"


def test_a_restored_volume_that_was_lost_is_restored_into_another(
    cluster: RestoreCluster, git: Git
) -> None:
    run(git, "--to", "latest", "--push")
    cluster.files["00000003.history"] = "1\t0/6000000\tend\n"
    cluster.timeline = None
    cluster.stage = "filling"
    said = (
        "The claim is empty, and git names the restore to latest, which was done before. The rows"
        " written since are in the repository alone. Waiting for a commit: restore, or start over"
        " with another path in the repository."
    )
    cluster.log = [said]

    run(git, "--to", "latest", "--push")

    assert named(git) == Claim("data-postgresql-2", "latest", ON_ONE, "3", 3)


def test_a_branch_that_was_changed_meanwhile_is_not_overwritten(
    cluster: RestoreCluster, git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Claim("data-postgresql-7", "latest", FULL, "1", 2)
    monkeypatch.setattr(restore, "_ask_for_its_name", lambda _: git.commit(FILE, other.text()))

    with pytest.raises(CiError, match="has just been changed: it names data-postgresql-7"):
        run(git, "--to", "latest", "--push")

    assert named(git) == other
