"""A bad release leaves the old pods serving, says why, and is fixed by the next commit."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.e2e.harness.cluster import uids, until
from tests.e2e.harness.world import CRASHES, GOOD, MIGRATION_FAILS, NEVER_READY

if TYPE_CHECKING:
    from tests.e2e.harness.world import World

ONE, OTHER = GOOD[4].tag, GOOD[5].tag


class Fault(NamedTuple):
    """A release that can't work, and the words by which `ci status` names its cause."""

    tag: str
    cause: str


FAULTS = {
    "a_tag_that_does_not_exist": Fault("no-such-tag", "ImagePull"),
    "a_crash_on_start": Fault(CRASHES.tag, "e2e: the configuration is broken"),
    "a_readiness_probe_that_fails": Fault(NEVER_READY.tag, "Readiness probe failed"),
    "a_migration_that_fails": Fault(MIGRATION_FAILS.tag, "users.nickname already exists"),
}


RARER = {"a_crash_on_start", "a_readiness_probe_that_fails"}


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(fault, id=name, marks=[pytest.mark.long] if name in RARER else [])
        for name, fault in FAULTS.items()
    ],
)
def test_05_the_old_pods_serve_and_the_next_commit_mends_it(world: World, fault: Fault) -> None:
    world.settle("coworking-dev")
    following = ONE if world.tag("dev") != ONE else OTHER
    pods = uids(world.dev.pods())

    world.repo.release("dev", fault.tag)
    # A Job that meets its deadline takes its pod along, so the cause is asked for while it lasts.
    world.measure(
        f"until status names the cause of {fault.tag}",
        lambda: until("status names the cause", lambda: _named(world, fault), within=120, poll=2),
    )
    world.measure(
        f"until Argo CD calls {fault.tag} failed",
        lambda: until("Argo CD calls it failed", lambda: _has_failed(world), within=150),
    )

    assert "dev: NEEDS A PERSON" in world.repo.ci("status", "dev", status=1)
    assert uids(world.dev.ready_pods()) == pods
    assert world.get("dev", "/health_check") == "ok"

    world.measure(f"the next commit fixes {fault.tag}", lambda: world.release("dev", following))
    until("status is well", lambda: "dev: well" in world.repo.ci("status", "dev"), within=30)


def _named(world: World, fault: Fault) -> bool:
    said = world.repo.ci("status", "dev", status=None)
    return fault.cause in said and "NEEDS A PERSON" in said


def _has_failed(world: World) -> bool:
    app = world.app("coworking-dev")
    failed = app.operation is not None and app.operation.phase in ("Failed", "Error")
    return app.health == "Degraded" or failed
