"""From an empty cluster to a service that answers, by git and one sealing step."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.e2e.harness.world import APPLICATIONS, GOOD

if TYPE_CHECKING:
    from tests.e2e.harness.world import World


def test_01_every_application_is_synced_and_healthy(world: World) -> None:
    assert [name for name in ("root", *APPLICATIONS) if not world.is_settled(name)] == []


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_01_the_pods_of_the_real_image_answer_through_the_service(
    world: World, environment: str
) -> None:
    assert world.environment(environment).serving(GOOD[0].tag)
    assert world.get(environment, "/health_check") == "ok"
    world.get(environment, "/readiness_check")  # refused, it raises


def test_01_dev_is_seeded_and_prod_is_not(world: World) -> None:
    dev = json.loads(world.get("dev", "/api/reports/daily_usage"))
    prod = json.loads(world.get("prod", "/api/reports/daily_usage"))

    assert sum(dev.values()) > 100
    assert prod == {}


def test_01_both_databases_are_migrated(world: World) -> None:
    revisions = {c.sql("SELECT version_num FROM alembic_version") for c in (world.dev, world.prod)}

    assert len(revisions) == 1
    assert revisions != {""}
