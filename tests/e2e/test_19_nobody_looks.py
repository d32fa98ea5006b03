"""Argo CD's controller is gone, so its words stay as they were; `status` says what is true."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from ci.oncall.judging import UNSEEN_AFTER
from ci.oncall.workloads import SHORT_FOR
from tests.e2e.harness.cluster import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.harness.world import World

pytestmark = pytest.mark.long
CONTROLLER = "statefulset/argocd-application-controller"


@pytest.fixture(scope="module")
def nobody_looks(world: World) -> Iterator[float]:
    """When the controller went, with prod's database Pending since; afterwards both are back."""
    world.settle("postgres-prod")
    world.settle("coworking-prod")
    assert world.repo.ci("status", "prod").startswith("prod: well")
    node = world.prod.get("pod", "postgresql-0")["spec"]["nodeName"]
    world.argo.run("scale", CONTROLLER, "--replicas=0")
    try:
        until("the controller is gone", lambda: not _controllers(world), within=90)
        world.all.run("cordon", node)
        world.prod.delete("pod", "postgresql-0")
        yield time.monotonic()
    finally:
        world.all.run("uncordon", node)
        world.argo.run("scale", CONTROLLER, "--replicas=1")
        world.argo.run("rollout", "status", CONTROLLER, "--timeout=120s")
        until("prod's database is back", lambda: world.prod.ready_pods("database"), within=120)
        world.settle("coworking-prod", within=180)


def _controllers(world: World) -> list[object]:
    label = "app.kubernetes.io/name=argocd-application-controller"
    return list(world.argo.items("pods", "-l", label))


def test_19_a_database_that_is_pending_needs_a_person_after_a_minute(
    world: World, nobody_looks: float
) -> None:
    assert world.app("postgres-prod").health == "Healthy"  # its last words

    time.sleep(max(0.0, SHORT_FOR.total_seconds() + 5 - (time.monotonic() - nobody_looks)))
    said = world.repo.ci("status", "prod", status=1)

    assert "prod: NEEDS A PERSON" in said
    assert "0 of 1 pods of StatefulSet/postgresql are ready" in said


@pytest.mark.timeout(600)
def test_19_words_that_are_minutes_old_are_called_old(world: World, nobody_looks: float) -> None:
    time.sleep(max(0.0, UNSEEN_AFTER.total_seconds() + 5 - (time.monotonic() - nobody_looks)))
    said = world.repo.ci("status", "prod", status=1)

    assert "Argo CD has not looked for 5 min" in said
    assert "argocd-application-controller" in said
