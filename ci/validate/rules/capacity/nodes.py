"""Pods against the nodes of eksctl's file, by the verdict of `python -m ci capacity`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci.capacity import load_cluster, load_prices, report
from ci.capacity.gather import beside_the_overlays
from ci.errors import InputError
from ci.validate.model import Problem
from ci.validate.registry import Scope, rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ci.capacity.demand import Pod
    from ci.capacity.report import CapacityReport, Shortage
    from ci.validate.environment import Environment
    from ci.validate.model import Manifest, Resource

# Beside the facts file; a tree that doesn't describe its nodes is not measured against them.
CLUSTER, PRICES, ADDONS = "eksctl/cluster.yaml", "prices.yaml", "addons.yaml"
EKS_NODES = "https://docs.aws.amazon.com/eks/latest/userguide/choosing-instance-type.html"
EBS_ZONES = "https://docs.aws.amazon.com/eks/latest/best-practices/storage.html"


@rule("nodes-too-small", scope=Scope.ENVIRONMENT, source=EKS_NODES)
def nodes_too_small(environment: Environment) -> Iterator[Problem]:
    """Pods for which the described nodes have no room.

    Everything on the cluster is counted: what pods request, with add-ons and DaemonSets on each
    node, the autoscalers at their maximum and every rollout under way. What has no place stays
    Pending, and its rollout never ends. `python -m ci capacity` prints the whole calculation.
    """
    fix = "Request less, scale lower, or describe more or larger nodes in eksctl's file."
    yield from list(_problems(environment, fix, zonal=False))[:1]


@rule("volume-zone-lost", scope=Scope.ENVIRONMENT, source=EBS_ZONES)
def volume_zone_lost(environment: Environment) -> Iterator[Problem]:
    """A pod with a volume on nodes of several zones.

    An EBS volume stays in the zone where it was made. When the node there goes and the next one
    comes up in another zone, the pod can't follow its data.
    """
    fix = "Name one zone in the node group's availabilityZones."
    yield from _problems(environment, fix, zonal=True)


def _problems(environment: Environment, fix: str, *, zonal: bool) -> Iterator[Problem]:
    verdict = _verdict(environment)
    if verdict is None:
        return
    for shortage in verdict.shortages:
        blamed = _blamed(environment, verdict.pods, shortage)
        if shortage.zonal == zonal and blamed is not None and blamed.pod is not None:
            path = (*blamed.pod.spec_path, "containers", 0, "resources")
            yield Problem(shortage.message, fix=fix, path=path, resource=blamed)


def _verdict(environment: Environment) -> CapacityReport | None:
    """The verdict, or None where no cluster is described beside the facts, or not readably."""
    folder = environment.facts.file.resolve().parent if environment.facts.file else None
    if folder is None or not all((folder / name).is_file() for name in (CLUSTER, PRICES)):
        return None
    resources: dict[str, list[Manifest]] = {}
    for resource in environment.resources:
        resources.setdefault(resource.namespace, []).append(resource.body)
    try:
        cluster = load_cluster(folder / CLUSTER)
        table = folder / ADDONS
        beside = beside_the_overlays(table, cluster) if table.is_file() else {}
        return report(beside | resources, cluster, load_prices(folder / PRICES))
    except InputError:
        return None  # a wrong quantity is another layer's finding; a wrong file, `ci capacity`'s


def _blamed(environment: Environment, pods: Iterable[Pod], shortage: Shortage) -> Resource | None:
    """The first that waits, or the largest, when what waits is not part of the tree."""
    largest = sorted(pods, key=lambda pod: pod.amount.memory, reverse=True)
    found = (
        environment.get(pod.kind, pod.environment, pod.workload)
        for pod in (*shortage.pods, *largest)
    )
    return next((one for one in found if one is not None), None)
