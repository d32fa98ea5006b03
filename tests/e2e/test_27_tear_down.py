"""The last module: docs/aws.md takes all down in an order that leaves no load balancer behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.harness import bootstrap
from tests.e2e.harness.cluster import until

if TYPE_CHECKING:
    from tests.e2e.harness.world import World

pytestmark = pytest.mark.long
PAGE = bootstrap.ROOT / "docs" / "aws.md"


def test_27_the_page_s_lines_leave_no_load_balancer_and_keep_prod_s_volume(world: World) -> None:
    volumes = [volume["metadata"]["uid"] for volume in _volumes(world)]
    assert _balancers(world) == ["coworking-prod/coworking"]

    for line in bootstrap.lines("Taking it down", PAGE):
        if line.startswith("kubectl "):
            world.measure(f"docs/aws.md: {line}", lambda text=line: world.type_line(text))

    assert _balancers(world) == []
    assert world.argo.items("applications.argoproj.io") == []
    assert [volume["metadata"]["uid"] for volume in _volumes(world)] == volumes
    # Nothing that still runs makes it again.
    with pytest.raises(TimeoutError):
        until("a load balancer is back", lambda: _balancers(world), within=20, poll=2)


def _balancers(world: World) -> list[str]:
    return [
        f"{each['metadata']['namespace']}/{each['metadata']['name']}"
        for each in world.all.items("services", "--all-namespaces")
        if each["spec"]["type"] == "LoadBalancer"
    ]


def _volumes(world: World) -> list[dict[str, object]]:
    return [
        volume
        for volume in world.all.items("persistentvolume")
        if volume["spec"].get("claimRef", {}).get("namespace") == world.prod.namespace
    ]
