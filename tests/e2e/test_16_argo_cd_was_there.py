"""On a cluster that has Argo CD already, the lines of bootstrap.md keep the settings of others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from tests.e2e.harness import bootstrap
from tests.e2e.harness.cluster import until
from tests.e2e.harness.world import APPLICATIONS

if TYPE_CHECKING:
    from tests.e2e.harness.world import World

THEIRS = {"url": "https://argocd.example.com", "timeout.reconciliation": "180s"}
WORKLOADS = "deployment,statefulset"


def test_16_settings_that_a_plain_apply_wrote_stay_and_ours_are_added(world: World) -> None:
    # Somebody installed it by `kubectl apply`, with settings of theirs; one is also ours.
    settings = _upstream_config_map(world, "argocd-cm")
    settings["data"] = {**settings.get("data", {}), **THEIRS}
    world.argo.apply(settings)
    before = {each["metadata"]["uid"] for each in world.argo.items("pods")}

    for line in bootstrap.lines(bootstrap.WHERE_ARGO_CD_IS):
        world.type_line(line)

    until("every pod of Argo CD is another", lambda: _are_others(world, before), within=150)
    found = world.argo.get("configmap", "argocd-cm")["data"]
    assert found["url"] == THEIRS["url"]
    assert found["timeout.reconciliation"] == "60s"
    assert found["accounts.ci"] == "apiKey"
    for name in ("root", *APPLICATIONS):
        world.settle(name)


def _upstream_config_map(world: World, name: str) -> dict[str, Any]:
    (file,) = world.settings.upstream.glob("argo-cd-*.yaml")
    objects = yaml.safe_load_all(file.read_text(encoding="utf-8"))
    return next(
        body
        for body in objects
        if body and (body["kind"], body["metadata"]["name"]) == ("ConfigMap", name)
    )


def _are_others(world: World, before: set[str]) -> bool:
    workloads = world.argo.items(WORKLOADS)
    ready = all(each["status"].get("readyReplicas") == 1 for each in workloads)
    return ready and not before & {each["metadata"]["uid"] for each in world.argo.items("pods")}
