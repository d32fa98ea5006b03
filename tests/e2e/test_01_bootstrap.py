"""From an empty cluster to a service that answers, by git and one sealing step."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from tests.e2e.harness import bootstrap
from tests.e2e.harness.cluster import uids
from tests.e2e.harness.upstream import RELEASES
from tests.e2e.harness.world import APPLICATIONS, GOOD

if TYPE_CHECKING:
    from tests.e2e.harness.world import World


def test_01_every_application_is_synced_and_healthy(world: World) -> None:
    assert [name for name in ("root", *APPLICATIONS) if not world.is_settled(name)] == []


def test_01_what_the_page_says_is_fetched_was_fetched_and_nothing_else(world: World) -> None:
    table = bootstrap.PAGE.read_text(encoding="utf-8").partition("## What is fetched")[2]
    said = re.findall(r"^\| `(\S+)` \| `https://(\S+)` \|$", table, re.MULTILINE)
    by_the_lines = {address for folder, address in said if folder != "argocd/addons/metrics-server"}
    asked = {address for address, _ in world.fetched}

    assert {address for address in asked if not address.startswith(f"{RELEASES}/")} == by_the_lines
    assert {status for _, status in world.fetched} == {200, 302}


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


def test_01_every_controller_of_upstream_s_that_is_kept_is_ready(world: World) -> None:
    workloads = world.argo.items("deployment,statefulset")

    assert {
        each["metadata"]["name"]: each["status"].get("readyReplicas", 0) for each in workloads
    } == {
        "argocd-application-controller": 1,
        "argocd-notifications-controller": 1,
        "argocd-redis": 1,
        "argocd-repo-server": 1,
        "argocd-server": 1,
    }
    assert not world.argo.exists("deployment", "argocd-dex-server")


def test_01_the_page_s_kubectl_lines_can_be_typed_again(world: World) -> None:
    before = uids(world.argo.items("pods"))

    world.type_bootstrap("kubectl ")

    for name in ("root", *APPLICATIONS):
        world.argocd.application(name, refresh=True)
        world.settle(name)
    assert uids(world.argo.items("pods")) == before
