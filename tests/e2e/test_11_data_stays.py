"""Prod's data outlives its pod; dev says that its own doesn't."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.harness.cluster import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.harness.world import World

REPORT = "/api/reports/daily_usage"
DATABASE = "app.kubernetes.io/component=database"


@pytest.fixture(scope="module")
def rows(world: World) -> Iterator[str]:
    """What prod's database holds before its pod goes away."""
    world.prod.sql("CREATE TABLE IF NOT EXISTS e2e_rows AS SELECT generate_series(1, 1000) AS n")
    yield "1000"
    world.prod.sql("DROP TABLE e2e_rows")


def test_11_prods_data_is_there_after_its_pod_was_deleted(world: World, rows: str) -> None:
    before = _uid(world)

    world.prod.run("delete", "pod", "postgresql-0")

    until("another pod is ready", lambda: _is_another(world, before), within=120)
    assert world.prod.sql("SELECT count(*) FROM e2e_rows") == rows


def test_11_prods_data_is_there_after_its_node_was_drained_of_it(world: World, rows: str) -> None:
    before = _uid(world)
    node = world.prod.get("pod", "postgresql-0")["spec"]["nodeName"]

    try:
        # With one node the service's own budget would rightly stop a drain of everything.
        world.all.run(
            *("drain", node, f"--pod-selector={DATABASE}", "--ignore-daemonsets"),
            *("--delete-emptydir-data", "--timeout=100s"),
        )
    finally:
        world.all.run("uncordon", node)

    until("another pod is ready", lambda: _is_another(world, before), within=120)
    assert world.prod.sql("SELECT count(*) FROM e2e_rows") == rows
    until("prod is ready", lambda: len(world.prod.ready_pods()) >= 2, within=60)


def test_11_dev_says_in_its_manifests_that_it_keeps_nothing(world: World) -> None:
    database = world.dev.get("statefulset", "postgresql")
    volumes = database["spec"]["template"]["spec"]["volumes"]

    assert database["metadata"]["annotations"]["declare.validate/data"] == "ephemeral"
    assert any(v["name"] == "data" and "emptyDir" in v for v in volumes)


def test_11_devs_next_sync_migrates_and_fills_an_empty_database(world: World) -> None:
    # The drain took dev's database along: it has the same label.
    world.dev.run("delete", "pod", "postgresql-0")
    until("dev's database is ready", lambda: bool(world.dev.ready_pods("database")), within=60)
    assert world.dev.sql("SELECT to_regclass('tokens') IS NULL") == "t"

    world.argocd.sync("coworking-dev")

    world.settle("coworking-dev", within=180)
    until("dev answers again", lambda: len(world.get("dev", REPORT)) > 2, within=60)


def _uid(world: World) -> str:
    return str(world.prod.get("pod", "postgresql-0")["metadata"]["uid"])


def _is_another(world: World, before: str) -> bool:
    pods = world.prod.ready_pods("database")
    return bool(pods) and all(pod["metadata"]["uid"] != before for pod in pods)
