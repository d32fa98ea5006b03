"""Prod scales with its CPU, and Argo CD leaves the number alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.harness.cluster import until
from tests.e2e.harness.load import load

if TYPE_CHECKING:
    from tests.e2e.harness.world import World


def test_10_prod_scales_up_under_load_and_back_down(world: World) -> None:
    world.settle("coworking-prod")
    until("two pods to begin with", lambda: _wanted(world) == 2, within=180)
    syncs = len(world.app("coworking-prod").entries)

    with load(world.client, "coworking.coworking-prod", pause=0) as running:
        world.measure(
            "from the load's beginning to a third pod that is ready",
            lambda: until("it scales up", lambda: len(world.prod.ready_pods()) > 2, within=200),
        )
        assert world.app("coworking-prod").sync == "Synced"
    world.measure(
        "from the load's end to two pods",
        lambda: until("it scales down", lambda: _wanted(world) == 2, within=240),
    )

    assert running.seen.failures == ()
    app = world.app("coworking-prod")
    assert app.sync == "Synced"
    assert len(app.entries) == syncs  # it was not synced to put the number back


def _wanted(world: World) -> int:
    return int(world.prod.get("deployment", "coworking")["spec"]["replicas"])
