"""What KEDA's ScaledObjects scale, and between which numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treecheck.kube.workloads import KEDA, MOST_OF_KEDA, REPLICATED, nothing_to_scale, scale_target
from treecheck.model import Problem, as_mapping, as_text
from treecheck.registry import rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import Resource

SPEC = "https://keda.sh/docs/latest/reference/scaledobject-spec/"


@rule("keda-target-missing", kinds=("ScaledObject",), source=SPEC)
def keda_target_missing(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A ScaledObject of a workload that is not there.

    KEDA reports that the target's scale can't be found, and nothing scales. Without a kind it is a
    Deployment. Custom kinds may have a scale subresource; only built-in kinds are looked up.
    """
    kind, name = scale_target(resource)
    version = as_text(as_mapping(resource.spec.get("scaleTargetRef")).get("apiVersion"))
    if kind not in REPLICATED or not name or version not in {"", "apps/v1", "v1"}:
        return
    if cluster.get(kind, resource.namespace, name) is None:
        yield nothing_to_scale(resource, kind, name, cluster)


@rule("keda-bounds", kinds=("ScaledObject",), source=SPEC)
def keda_bounds(resource: Resource, _cluster: Cluster) -> Iterator[Problem]:
    """A ScaledObject whose smallest number of pods is above its largest.

    KEDA refuses it, and scales nothing. maxReplicaCount is 100 unless said. idleReplicaCount, the
    number while nothing is to be done, has to be below minReplicaCount.
    """
    low, high, idle = (
        resource.spec.get(field, default)
        for field, default in (
            ("minReplicaCount", 0),
            ("maxReplicaCount", MOST_OF_KEDA),
            ("idleReplicaCount", None),
        )
    )
    if resource.group != KEDA or not isinstance(low, int) or not isinstance(high, int):
        return
    if low > high:
        yield Problem(
            f"minReplicaCount ({low}) is larger than maxReplicaCount ({high}): KEDA refuses it",
            fix="Raise maxReplicaCount, or lower minReplicaCount.",
            path=("spec", "minReplicaCount"),
        )
    if isinstance(idle, int) and "minReplicaCount" in resource.spec and idle >= max(low, 1):
        yield Problem(
            f"idleReplicaCount ({idle}) is not below minReplicaCount ({low}): KEDA refuses it",
            fix="Lower idleReplicaCount, or raise minReplicaCount.",
            path=("spec", "idleReplicaCount"),
        )
