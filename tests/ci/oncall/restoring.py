"""prod with backups, and calls of `restore prod` on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from ci.errors import CiError
from ci.oncall import database_pod, restore, restore_wait
from ci.tree.claim import Claim, parse
from tests.ci.oncall.restore_cluster import FILE, RestoreCluster

if TYPE_CHECKING:
    from tests.ci.argocd_server import FakeArgo, Git

AT = "2026-11-29 08:56:50"
FULL = "20261129-085639F"
ON_ONE = f"{FULL}_20261129-085657D"
OVERLAY = "overlays/prod/postgres/kustomization.yaml"
FIRST = Claim("data-postgresql-0")


@pytest.fixture
def cluster(argo: FakeArgo, git: Git, monkeypatch: pytest.MonkeyPatch) -> RestoreCluster:
    """prod, well, with backups: it was restored once, and reverted."""
    for path, text in (
        (
            OVERLAY,
            "components: [server, rotation, ../../../base/postgres/backups, backups, claim]\n",
        ),
        (FILE, FIRST.text()),
    ):
        git.write(path, text)
    git.deploy("1-aaaaaaa")
    argo.sync()
    cluster = RestoreCluster(git)
    argo.database = cluster  # type: ignore[assignment]  # it answers for postgres-prod
    monkeypatch.setattr(database_pod, "execute", cluster.kubectl)
    monkeypatch.setattr(restore_wait, "POLL", 0.0)
    for name in ("SYNCED_WITHIN", "FILLED_WITHIN", "SERVES_WITHIN", "VERIFIED_WITHIN"):
        monkeypatch.setattr(restore_wait, name, 60.0)  # what never comes fails the test
    return cluster


def invoke(git: Git, *words: str, typed: str = "prod\n") -> Result:
    return CliRunner().invoke(
        restore.command,
        ["prod", "--url", git.url, *words],
        input=typed,
        catch_exceptions=False,
        standalone_mode=False,
    )


def run(git: Git, *words: str, typed: str = "prod\n") -> str:
    """What the verb printed; a CiError is raised."""
    done = invoke(git, *words, typed=typed)
    if done.exception:
        raise done.exception
    return done.output


def fails(git: Git, *words: str, typed: str = "prod\n") -> CiError:
    """The error of a call that changes nothing."""
    before = git.tip()
    with pytest.raises(CiError) as caught:
        run(git, *words, typed=typed)
    assert git.tip() == before
    return caught.value


def named(git: Git) -> Claim:
    return parse(git.read(FILE), FILE)
