"""Pods against the size of the nodes, where the facts or the cluster's own file say which."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treecheck.kube.instances import size_of
from treecheck.kube.nodes import INSTANCE, node_groups
from treecheck.kube.quotas import amount_shown, given, total
from treecheck.model import Problem
from treecheck.registry import rule

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal

    from treecheck.cluster import Cluster
    from treecheck.kube.nodes import NodesAlike
    from treecheck.model import Resource


@rule(
    "pod-larger-than-nodes",
    source="https://docs.aws.amazon.com/eks/latest/userguide/choosing-instance-type.html",
    unless=("pod-fits-no-node", "malformed-quantity", "resource-unit"),
)
def pod_larger_than_nodes(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A pod that requests as much as the largest node has, or more.

    It stays Pending: of a node's memory and vCPUs the kubelet and the system keep a part. The nodes
    are those of `pod-fits-no-node`; how large one is, is read from its instance type's name, and
    where a group's name doesn't tell, nothing is said.
    """
    pod = resource.pod
    groups = [group for group in node_groups(cluster) if pod and group.lets_in(pod)]
    if pod is None or not groups or "nodeName" in pod.spec:
        return
    for what in ("cpu", "memory"):
        asked = total(pod, "requests", what, given(cluster, resource.namespace))
        largest = _largest(groups, what)
        if largest is not None and asked >= largest[0]:
            size, name = largest
            yield Problem(
                f"a pod requests {amount_shown(asked, what)} of {what}, and the largest node that "
                f"it may go to, {name}, has {amount_shown(size, what)}, of which the system "
                "keeps a part: the pods stay Pending",
                fix="Request less, or give the node group a larger instance type.",
                path=(*pod.spec_path, "containers"),
                counts=True,
            )


def _largest(groups: list[NodesAlike], what: str) -> tuple[Decimal, str] | None:
    """(how much, what a message calls it) of the largest node; None if one's size isn't known."""
    found = []
    for group in groups:
        types = group.labels.get(INSTANCE, frozenset())
        sizes = [(size_of(each), f"{group.name} ({each})") for each in sorted(types)]
        if not sizes:
            return None
        for size, name in sizes:
            amount = size.of(what) if size else None
            if amount is None:
                return None
            found.append((amount, name))
    return max(found)
