"""`ci plan --check` on the real cluster: from "no cluster" to "all done".

It comes before the module that builds: moto's state is the process's, and that one resets it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.e2e.harness.cluster import until
from tests.e2e.harness.plan import ENDS

if TYPE_CHECKING:
    from tests.e2e.harness.world import World

# The steps that the suite does, in the plan's order; it logs in to Argo CD at the end.
ORDER = ("connection", "stack", "token", "cluster", "argocd", "seal", "push", "hand-over")


def test_12_before_each_line_its_step_and_all_later_ones_are_not_done(world: World) -> None:
    """What was kept while the suite's own deployment went on, from a bare cluster."""
    if world.plan.failure is not None:
        raise world.plan.failure
    seen = world.plan.seen
    assert [what for what, _ in seen[:3]] == ["nothing", "connection", "cluster"]
    assert len(seen) == 3 + len(ENDS)
    undone = list(ORDER)
    for what, marks in seen:
        # An install is done when its pods are there, which the next line does not wait for.
        ended = [name for name, begins in ENDS.items() if begins.match(what)]
        begun = {"nothing": 0, "connection": 1, "cluster": 4}.get(what, 0)
        undone = [name for name in undone[begun if begun < 4 else 3 :] if name not in ended]
        assert [name for name in undone if marks[name] == "done"] == [], what
    assert undone == []


def test_12_on_a_bare_cluster_the_next_step_is_to_install_argo_cd(world: World) -> None:
    (marks,) = [marks for what, marks in world.plan.seen if what == "cluster"]
    assert {marks[name] for name in ("login", "zones", "connection", "stack", "token")} == {"done"}
    assert marks["argocd"] == "next"
    assert {marks[name] for name in ("seal", "push", "hand-over", "promote", "look")} == {"later"}


def test_12_when_both_environments_serve_all_is_done(world: World) -> None:
    # AWS has no load balancer of this address: that is not taken for done.
    look = _reasons(world, status=5)["look"]
    assert look.startswith("unknown: AWS names no load balancer"), look

    world.plan.make_balancer(look.rpartition(" ")[2])
    promote = _reasons(world, status=0)["promote"]

    assert re.search(r"coworking-prod is Synced and Healthy on \S+", promote)


def _reasons(world: World, *, status: int) -> dict[str, str]:
    """Each step's mark and its reason, once the check ends with this status.

    A rollout has just ended: until its new pods have metrics the autoscaler is not healthy.
    """
    said: dict[str, str] = {}

    def ends_so() -> bool:
        ended, seen = world.plan.check()
        said.update({each["name"]: f"{each['mark']}: {each['because']}" for each in seen["steps"]})
        return ended == status

    try:
        until(f"the check ends with {status}", ends_so, within=120, poll=5)
    except TimeoutError as error:
        raise AssertionError(f"{error}: {said}") from error
    return said
