"""A merge is a deploy: the tag in git changes, the pods roll, and nobody notices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.harness.load import load
from tests.e2e.harness.world import GOOD

if TYPE_CHECKING:
    from tests.e2e.harness.world import World


@pytest.mark.parametrize(
    ("environment", "webhook"), [("dev", True), ("prod", False)], ids=["by_webhook", "by_polling"]
)
def test_02_a_pushed_tag_rolls_the_pods_and_no_request_fails(
    world: World, environment: str, webhook: bool
) -> None:
    def ship() -> None:
        world.repo.release(environment, GOOD[1].tag, webhook=webhook)
        world.deployed(environment, GOOD[1].tag, within=180)

    with load(world.client, f"coworking.coworking-{environment}") as running:
        how = "with the webhook" if webhook else "without the webhook, polling every 60 s"
        world.measure(f"from push to new pods ready in {environment}, {how}", ship)

    assert running.seen.failures == ()
    assert running.seen.requests > 500
    world.figure(f"          {running.seen.requests} requests meanwhile, none failed")
