"""Pods against the nodes of eksctl's file, by the verdict of `python -m ci capacity`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci.errors import InputError
from ci.platform.capacity import load_cluster, load_prices, report
from ci.platform.capacity.demand import pod_request, pods_of
from ci.platform.capacity.gather import beside_the_overlays
from ci.platform.capacity.verdict import Lack, lost_zones
from treecheck.model import Problem
from treecheck.registry import Scope, rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from ci.platform.capacity.verdict import CapacityReport, Shortage
    from treecheck.cluster import Cluster
    from treecheck.model import Manifest

# Beside the facts file; a tree that doesn't describe its nodes is not measured against them.
CLUSTER, PRICES, ADDONS = "eksctl/cluster.yaml", "prices.yaml", "addons.yaml"
EKS_NODES = "https://docs.aws.amazon.com/eks/latest/userguide/choosing-instance-type.html"
EBS_ZONES = "https://docs.aws.amazon.com/eks/latest/best-practices/storage.html"


@rule(
    "nodes-too-small",
    layer="capacity",
    scope=Scope.CLUSTER,
    source=EKS_NODES,
    unless=(
        "database-not-replicated",
        "replicas-fight-autoscaler",
        "resource-unit",
        "shared-resource",
    ),
)
def nodes_too_small(cluster: Cluster) -> Iterator[Problem]:
    """Pods for which the described nodes have no room.

    Everything on the cluster is counted: what pods request, with add-ons and DaemonSets on each
    node, the autoscalers at their maximum and every rollout under way. What has no place stays
    Pending, and its rollout never ends. `python -m ci capacity` prints the whole calculation.
    """
    verdict = _verdict(cluster)
    fix = "Request less, scale lower, or describe more or larger nodes in eksctl's file."
    shortages = verdict.shortages if verdict else ()
    for shortage in [one for one in shortages if one.lack is Lack.ROOM][:1]:
        yield from _problem(cluster, shortage, fix)


@rule("volume-zone-lost", layer="capacity", scope=Scope.CLUSTER, source=EBS_ZONES)
def volume_zone_lost(cluster: Cluster) -> Iterator[Problem]:
    """A pod with a volume on nodes of several zones.

    An EBS volume stays in the zone where it was made. When the node there goes and the next one
    comes up in another zone, the pod can't follow its data.
    """
    folder = _described(cluster)
    if folder is None:
        return
    try:
        nodes = load_cluster(folder / CLUSTER)
        pods = [pod for name, them in _bodies(cluster, {}).items() for pod in pods_of(name, them)]
    except InputError:
        return
    for shortage in lost_zones(pods, nodes):
        fix = "Name one zone in the node group's availabilityZones."
        yield from _problem(cluster, shortage, fix)


def _described(cluster: Cluster) -> Path | None:
    """The folder of the facts file, when a cluster is described beside it."""
    folder = cluster.facts.file.resolve().parent if cluster.facts.file else None
    if folder is None or not all((folder / name).is_file() for name in (CLUSTER, PRICES)):
        return None
    return folder


def _bodies(
    cluster: Cluster, beside: Mapping[str, Iterable[Manifest]]
) -> dict[str, list[Manifest]]:
    """The tree's own resources by namespace, without the workloads that `beside` stands for.

    A tree with copies of upstream's files renders those too. Counted twice, they have no room.
    """
    listed = {(body["kind"], body["metadata"]["name"]) for each in beside.values() for body in each}
    bodies: dict[str, list[Manifest]] = {}
    for resource in cluster.resources:
        if resource.pod is None or (resource.kind, resource.name) not in listed:
            bodies.setdefault(resource.namespace, []).append(resource.body)
    return bodies


def _verdict(cluster: Cluster) -> CapacityReport | None:
    """The verdict, or None where no cluster is described beside the facts, or not readably."""
    folder = _described(cluster)
    if folder is None:
        return None
    try:
        nodes = load_cluster(folder / CLUSTER)
        table = folder / ADDONS
        beside = beside_the_overlays(table, nodes) if table.is_file() else {}
        return report(beside | _bodies(cluster, beside), nodes, load_prices(folder / PRICES))
    except InputError:
        return None  # a wrong quantity is another layer's finding; a wrong file, `ci capacity`'s


def _problem(cluster: Cluster, shortage: Shortage, fix: str) -> Iterator[Problem]:
    """Blame the first that waits, or what requests most when none that waits is of the tree."""
    waiting = (cluster.get(one.kind, one.environment, one.workload) for one in shortage.pods)
    pod = next((one.pod for one in waiting if one is not None and one.pod is not None), None)
    pods = cluster.pods()
    if pod is None and pods:
        pod = max(pods, key=lambda one: pod_request(one.spec).memory)
    if pod is not None:
        path = (*pod.spec_path, "containers", 0, "resources")
        counted = (each.owner for each in pods)
        yield Problem(
            shortage.message, fix=fix, path=path, resource=pod.owner, related=tuple(counted)
        )
