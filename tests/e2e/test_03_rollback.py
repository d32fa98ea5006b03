"""A rollback in Argo CD sticks until it is resumed, whatever was going on when it was ordered."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from tests.e2e.harness.cluster import uids, until
from tests.e2e.harness.images import Version
from tests.e2e.harness.load import load
from tests.e2e.harness.world import GOOD, MIGRATION_HANGS

if TYPE_CHECKING:
    from tests.e2e.harness.world import World

OLD, NEW = GOOD[1].tag, GOOD[2].tag
MIGRATION = '''\
"""Made by a test: a later release's migration."""
from alembic import op
revision = "e2e"
down_revision = {head!r}
branch_labels = depends_on = None
def upgrade(): op.execute("CREATE TABLE e2e_marker (id integer)")
def downgrade(): op.execute("DROP TABLE e2e_marker")
'''


@pytest.fixture(scope="module", autouse=True)
def _receiver(world: World) -> None:
    world.start_receiver()


def test_03_a_rollback_in_the_web_page_serves_the_old_version_and_no_request_fails(
    world: World,
) -> None:
    world.release("prod", OLD)
    world.release("prod", NEW)
    target = world.app("coworking-prod").entries[-2].id
    database = world.prod.get("pod", "postgresql-0")["metadata"]["uid"]

    with load(world.client, "coworking.coworking-prod") as running:
        seconds = world.measure(
            "from a rollback in the web page to the old version alone",
            lambda: _roll_back_as_the_web_page_does(world, target, OLD),
        )

    assert seconds < 60
    assert running.seen.failures == ()
    assert running.seen.requests > 100
    assert not world.app("coworking-prod").auto_sync
    assert world.prod.get("pod", "postgresql-0")["metadata"]["uid"] == database


def _roll_back_as_the_web_page_does(world: World, target: int, tag: str) -> None:
    application = world.argocd.application("coworking-prod")
    application["spec"]["syncPolicy"]["automated"]["enabled"] = False
    world.argocd.update(application)
    world.argocd.rollback("coworking-prod", target)
    until(f"prod serves {tag}", lambda: world.prod.serving(tag), within=60)


def test_03_a_forgotten_rollback_arrives_at_the_webhook_of_who_is_on_call(world: World) -> None:
    told = until(
        "the webhook is told of the rollback",
        lambda: [line for line in _told(world) if "was rolled back" in line],
        within=90,
    )

    kind, _, body = told[0].partition(" ")
    assert kind == "application/json"
    assert json.loads(body)["text"].startswith("coworking-prod was rolled back")
    assert len(told) == 1  # once a day


def _told(world: World) -> list[str]:
    return world.client.run("logs", "receiver").splitlines()


def test_03_it_still_serves_the_old_version_after_root_and_child_were_refreshed_and_healed(
    world: World,
) -> None:
    history = len(world.app("root").entries)
    for _ in range(3):
        for name in ("root", "coworking-prod"):
            world.argocd.application(name, refresh=True)
        # What the root heals: a child's field that git has otherwise.
        retry = {"spec": {"syncPolicy": {"retry": {"limit": 9}}}}
        world.argo.patch("application", "coworking-prod", retry)
        until("the root has healed its child", lambda: _retry_limit(world) != 9, within=60)

    assert world.prod.serving(OLD)
    assert not world.app("coworking-prod").auto_sync
    assert len(world.app("root").entries) >= history


def _retry_limit(world: World) -> int:
    application = world.argocd.application("coworking-prod")
    return int(application["spec"]["syncPolicy"]["retry"]["limit"])


def test_03_status_asks_for_a_person_and_resume_is_one_command_that_touches_no_pod(
    world: World,
) -> None:
    said = world.repo.ci("status", "prod", status=1)
    assert "AUTO-SYNC OFF" in said
    assert "python -m ci resume prod" in said
    pods = uids(world.prod.pods())

    world.measure("resume: git, then auto-sync", lambda: world.repo.ci("resume", "prod"))

    assert uids(world.prod.pods()) == pods
    assert world.prod.serving(OLD)
    assert world.app("coworking-prod").auto_sync
    world.settle("coworking-prod", within=20)
    assert "prod: well" in world.repo.ci("status", "prod")


def test_03_a_rollback_across_a_release_with_a_migration_leaves_the_database_alone(
    world: World,
) -> None:
    world.release("prod", OLD)
    before = world.prod.sql("SELECT version_num FROM alembic_version")
    world.load(_with_migration(world, before))
    world.release("prod", "migrates")
    assert world.prod.sql("SELECT version_num FROM alembic_version") == "e2e"

    with load(world.client, "coworking.coworking-prod") as running:
        said = world.repo.ci("rollback", "prod")

    assert f"prod serves {OLD} again" in said
    assert running.seen.failures == ()
    assert world.prod.serving(OLD)
    assert world.prod.sql("SELECT version_num FROM alembic_version") == "e2e"
    # The old version's own migration Job now meets a revision that it doesn't know.
    world.repo.ci("resume", "prod")
    world.settle("coworking-prod")
    assert world.prod.sql("SELECT version_num FROM alembic_version") == "e2e"


def _with_migration(world: World, head: str) -> Version:
    script = "import coworking; print(coworking.__path__[0])"
    folder = world.client.execute("client", "python", "-c", script).strip()
    path = f"{folder}/migrations/versions/e2e_a_later_release.py"
    return Version("migrates", files=((path, MIGRATION.format(head=head)),))


def test_03_a_rollback_ends_a_sync_that_is_stuck(world: World) -> None:
    world.release("dev", OLD)
    world.repo.release("dev", MIGRATION_HANGS.tag)
    until("the migration hangs", lambda: _job_runs(world), within=60)

    began = time.monotonic()
    said = world.repo.ci("rollback", "dev")

    world.figure(f"{time.monotonic() - began:6.1f} s  rollback while a sync is stuck")
    assert "ending the running operation" in said
    assert "auto-sync is off" in said
    assert time.monotonic() - began < 60
    assert world.dev.serving(OLD)
    # Pressing the button twice does no harm.
    assert "nothing to roll back" in world.repo.ci("rollback", "dev")


def _job_runs(world: World) -> bool:
    pods = world.dev.pods("migrate")
    return any(
        pod["status"]["phase"] == "Running"
        and pod["spec"]["containers"][0]["image"].endswith(MIGRATION_HANGS.tag)
        for pod in pods
    )


def test_03_resume_stops_at_other_changes_in_git_until_told_and_accepts_a_revert_by_hand(
    world: World,
) -> None:
    world.repo.pull()
    world.repo.git("revert", "--no-edit", "HEAD")
    world.repo.edit("overlays/dev/coworking/kustomization.yaml", "LOG_LEVEL=.*", "LOG_LEVEL=ERROR")
    world.repo.commit("Log less in dev")
    world.repo.push()

    said = world.repo.ci("resume", "dev", status=1)
    assert "+  LOG_LEVEL: ERROR" in said
    assert "--accept" in said
    assert not world.app("coworking-dev").auto_sync

    world.repo.ci("resume", "dev", "--accept")
    assert world.app("coworking-dev").auto_sync
    world.deployed("dev", OLD)


def test_03_resume_with_source_also_reverts_the_commits_behind_the_version(world: World) -> None:
    world.repo.pull()
    base = world.repo.head
    world.repo.edit("apps/coworking/pyproject.toml", r"\A", "# A fault.\n")
    fault = world.repo.commit("Introduce a fault")
    good, bad = Version(f"7-{base[:8]}"), Version(f"8-{fault[:8]}")
    world.load(good, bad)
    world.release("dev", good.tag)
    world.release("dev", bad.tag)
    world.repo.ci("rollback", "dev")
    dry = world.repo.ci("resume", "dev", "--source", "--dry-run")
    assert fault[:8] in dry
    assert not world.app("coworking-dev").auto_sync

    world.repo.ci("resume", "dev", "--source")

    world.repo.pull()
    assert "# A fault." not in (world.repo.folder / "apps/coworking/pyproject.toml").read_text()
    world.deployed("dev", good.tag)
