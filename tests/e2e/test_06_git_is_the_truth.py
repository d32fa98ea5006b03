"""The cluster follows git: changes arrive, edits by hand don't last, and data survives removal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.harness.cluster import uids, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.harness.world import World

DEV = "overlays/dev/coworking/kustomization.yaml"
PROD_DATABASE = "overlays/prod/postgres/kustomization.yaml"
WITHOUT_STATEFULSET = """\
  - patch: |-
      $patch: delete
      apiVersion: apps/v1
      kind: StatefulSet
      metadata:
        name: postgresql
"""


def test_06_a_change_of_configuration_rolls_the_pods_by_itself(world: World) -> None:
    before = uids(world.dev.pods())

    world.repo.pull()
    world.repo.edit(DEV, "LOG_LEVEL=.*", "LOG_LEVEL=WARNING")
    world.repo.commit("Log warnings alone in dev")
    commit = world.repo.push()

    world.measure(
        "from a pushed configuration to new pods",
        lambda: world.settle("coworking-dev", commit=commit),
    )
    assert not before & uids(world.dev.pods())
    assert world.dev.execute("deployment/coworking", "printenv", "LOG_LEVEL").strip() == "WARNING"


def test_06_an_edit_by_hand_is_healed(world: World) -> None:
    name = _config_map(world)

    world.dev.run("scale", "deployment/coworking", "--replicas=3")
    world.dev.patch("configmap", name, {"data": {"LOG_LEVEL": "CRITICAL"}})

    until("replicas are healed", lambda: _replicas(world) == 1, within=60)
    until(
        "the ConfigMap is healed",
        lambda: world.dev.get("configmap", name)["data"]["LOG_LEVEL"] == "WARNING",
        within=60,
    )
    world.settle("coworking-dev")


def _config_map(world: World) -> str:
    pod = world.dev.pods()[0]
    return str(pod["spec"]["containers"][0]["envFrom"][0]["configMapRef"]["name"])


def _replicas(world: World) -> int:
    return int(world.dev.get("deployment", "coworking")["spec"]["replicas"])


def test_06_a_resource_removed_from_git_is_pruned(world: World) -> None:
    extra = world.repo.folder / "overlays/dev/coworking/extra.yaml"
    extra.write_text("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: extra\n")
    world.repo.edit(DEV, "^components:", "  - extra.yaml\ncomponents:")
    world.repo.commit("Add a resource")
    world.repo.push()
    until("it is there", lambda: world.dev.exists("configmap", "extra"), within=90)

    world.repo.git("revert", "--no-edit", "HEAD")
    world.repo.push()

    until("it is gone", lambda: not world.dev.exists("configmap", "extra"), within=90)
    world.settle("coworking-dev")


@pytest.fixture
def kept_row(world: World) -> Iterator[str]:
    """A row in prod's database that must still be there afterwards."""
    world.prod.sql("CREATE TABLE IF NOT EXISTS e2e_kept (what text)")
    world.prod.sql("INSERT INTO e2e_kept VALUES ('here')")
    yield "here"
    world.prod.sql("DROP TABLE e2e_kept")


def test_06_prods_data_survives_when_its_statefulset_leaves_git(
    world: World, kept_row: str
) -> None:
    # Last among the patches, so that the others still find what they change.
    world.repo.edit(PROD_DATABASE, r"\n\Z", f"\n{WITHOUT_STATEFULSET}")
    world.repo.commit("Remove prod's StatefulSet")
    commit = world.repo.push()
    until(
        "Argo CD has seen it",
        lambda: (
            world.app("postgres-prod").revision == commit and not world.app("postgres-prod").busy
        ),
        within=90,
    )

    assert world.prod.exists("statefulset", "postgresql")
    assert world.prod.sql("SELECT what FROM e2e_kept") == kept_row

    world.repo.git("revert", "--no-edit", "HEAD")
    world.settle("postgres-prod", commit=world.repo.push())
    assert world.prod.sql("SELECT what FROM e2e_kept") == kept_row


def test_06_prods_data_survives_when_its_application_leaves_git_and_comes_back(
    world: World, kept_row: str
) -> None:
    world.repo.edit("argocd/apps/kustomization.yaml", r"^  - postgres-prod.yaml\n", "")
    world.repo.commit("Remove prod's database Application")
    world.repo.push()
    until(
        "the Application is gone",
        lambda: not world.argo.exists("application", "postgres-prod"),
        within=90,
    )
    # Also when someone then deletes what is left of it: the claim and its volume stay.
    world.prod.delete("statefulset", "postgresql")

    world.repo.git("revert", "--no-edit", "HEAD")
    world.repo.push()
    until(
        "the Application is back",
        lambda: world.argo.exists("application", "postgres-prod"),
        within=90,
    )
    world.settle("postgres-prod")
    until("it answers", lambda: bool(world.prod.ready_pods("database")), within=60)
    assert world.prod.sql("SELECT what FROM e2e_kept") == kept_row
    world.settle("coworking-prod")
