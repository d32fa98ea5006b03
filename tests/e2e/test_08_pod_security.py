"""Pod Security "restricted" is enforced in both namespaces."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.harness.cluster import Refused

if TYPE_CHECKING:
    from tests.e2e.harness.world import World


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_08_everything_runs_under_the_restricted_standard(world: World, environment: str) -> None:
    cluster = world.environment(environment)
    labels = world.all.get("namespace", cluster.namespace)["metadata"]["labels"]

    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    assert cluster.ready_pods("web")
    assert cluster.ready_pods("database")


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_08_a_privileged_pod_is_refused(world: World, environment: str) -> None:
    pod = world.pod("privileged", "pass")
    pod["spec"]["containers"][0]["securityContext"] = {"privileged": True}

    with pytest.raises(Refused, match="violates PodSecurity"):
        world.environment(environment).apply(pod)
