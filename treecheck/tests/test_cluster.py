"""What a cluster has, by kind and name, and of what nothing is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from treecheck.cluster import POD_NAME, Cluster
from treecheck.facts import Facts
from treecheck.model import Origin, Part, Resource
from treecheck.unseen import Unseen

PART = Part("one", "one", file=Path("one.yaml"))


def resource(api_version: str, kind: str, name: str, namespace: str = "shop") -> Resource:
    metadata = {"name": name, "namespace": namespace}
    body = {"apiVersion": api_version, "kind": kind, "metadata": metadata}
    return Resource(body, PART, Origin(None, 1))


def cluster(*resources: Resource, unseen: list[Unseen] | None = None) -> Cluster:
    return Cluster("one", [*resources], Facts(), unseen=unseen or [])


@pytest.mark.parametrize(
    ("api_version", "there"),
    [("v1", True), ("extensions/v1beta1", True), ("serving.knative.dev/v1", False)],
)
def test_a_kind_of_another_group_is_another_kind(api_version: str, there: bool) -> None:
    found = cluster(resource(api_version, "Service", "web"))

    assert (found.get("Service", "shop", "web") is not None) is there
    assert len([*found.of_kind("Service")]) == there


def test_a_namespace_is_known_by_what_is_in_it_or_by_itself() -> None:
    found = cluster(
        resource("v1", "ConfigMap", "a"), resource("v1", "Namespace", "empty", namespace="")
    )

    assert [found.unknown(name) for name in ("shop", "empty", "")] == ["", "", ""]
    assert found.unknown("other") == "nothing of namespace other is in this tree"


def test_what_was_not_looked_at_may_bring_something_to_its_namespace_alone() -> None:
    web = resource("v1", "ConfigMap", "a")
    shop = cluster(web, unseen=[Unseen("shop", "a chart is not read")])
    assert (shop.unknown("shop"), shop.unknown("")) == ("a chart is not read", "")

    anywhere = cluster(web, unseen=[Unseen(None, "a folder can't be built")])
    assert {anywhere.unknown(name) for name in ("shop", "", "other")} == {"a folder can't be built"}


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ({"app": "web"}, ["web", "more"]),
        ({"app": "web", "tier": "front"}, ["more"]),
        ({"tier": "front", "app": "web"}, ["more"]),
        ({"app": "gone"}, []),
        ({"matchLabels": {"app": "db"}}, ["db"]),
        ({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, ["web", "more", "db"]),
        ({"app": "db", POD_NAME: "db-1"}, ["db"]),
        ({POD_NAME: "db-1"}, ["db"]),
        ({POD_NAME: "db-2"}, []),
        ({}, ["web", "more", "db"]),
    ],
)
def test_pods_are_found_by_any_selector(selector: dict[str, Any], found: list[str]) -> None:
    pods = cluster(
        workload("Deployment", "web", {"app": "web"}),
        workload("Deployment", "more", {"app": "web", "tier": "front"}),
        workload("StatefulSet", "db", {"app": "db"}, replicas=2),
        workload("Deployment", "other", {"app": "web"}, namespace="other"),
    ).pods_matching("shop", selector)

    assert [pod.owner.name for pod in pods] == found


def workload(
    kind: str, name: str, labels: dict[str, str], namespace: str = "shop", **more: Any
) -> Resource:
    made = resource("apps/v1", kind, name, namespace)
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "a"}]}}
    made.body["spec"] = {"selector": {"matchLabels": labels}, "template": template} | more
    return Resource(made.body, PART, Origin(None, 1))
