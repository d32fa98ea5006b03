"""What the nodes of a described group offer once they are there, and what another figure means.

A Node object shows them as `status.allocatable`. The memory is an estimate: the hypervisor and the
kernel keep a little more or less of an instance than the 7.5 % that are counted here. What the
kubelet keeps back is exact: `status.capacity` less `status.allocatable` is its reserve and the
memory below which it evicts pods (Kubernetes, "Reserve Compute Resources", node allocatable).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from ci.platform.capacity.nodes import memory_of

if TYPE_CHECKING:
    from ci.platform.capacity.eksctl import EksCluster
    from ci.platform.capacity.prices import Prices


class Offered(NamedTuple):
    """What each node of a group offers to pods.

    Attributes:
        group, nodes: which group, and how many nodes it has.
        memory: in MiB, about.
        kept: MiB that the kubelet keeps back, with the group's `kubeReserved`.
        kept_by_default: MiB that it keeps back without.
        pods: how many the kubelet takes, with the CNI's prefixes as described.
        pods_by_default: how many it takes without prefixes.
    """

    group: str
    nodes: int
    memory: int
    kept: int
    kept_by_default: int
    pods: int
    pods_by_default: int

    @property
    def text(self) -> str:
        """What one should see, and what it means otherwise."""
        lines = [f"{self.nodes} nodes with about {self.memory} MiB and {self.pods} pods each"]
        if self.kept != self.kept_by_default:
            lines.append(
                f"{self.kept} MiB of each are kept for its kubelet, and"
                f" {self.kept_by_default} would mean that kubeReserved did not arrive"
            )
        if self.pods != self.pods_by_default:
            lines.append(
                f"{self.pods_by_default} pods mean that the node group was made before the VPC CNI"
                " had its prefixes: make it again"
            )
        return "; ".join(lines)

    def fault(self, kept: int, pods: int) -> str | None:
        """What is wrong with a node, or None.

        Args:
            kept: its `status.capacity` less its `status.allocatable` of memory, in MiB.
            pods: its `status.allocatable` of pods.
        """
        if pods < self.pods:
            return (
                f"a node of {self.group} takes {pods} pods, not {self.pods}: the node group was"
                " made before the VPC CNI had its prefixes"
            )
        if kept < self.kept:
            return (
                f"a node of {self.group} keeps {kept} MiB for its kubelet, not {self.kept}:"
                " kubeReserved did not arrive"
            )
        return None


def offered(cluster: EksCluster, prices: Prices) -> tuple[Offered, ...]:
    """What the nodes of each described group offer.

    Raises:
        InputError: the price table doesn't know a group's instance type.
    """
    found = []
    for group in cluster.groups:
        instance = prices.instance(group.instance_type)
        room = group.room(instance, prefixes=cluster.prefixes)
        default = replace(group, kube_reserved=None).room(instance, prefixes=False)
        has = memory_of(instance)
        kept, by_default = has - room.memory, has - default.memory
        pods = room.pods, default.pods
        found.append(Offered(group.name, group.desired, room.memory, kept, by_default, *pods))
    return tuple(found)
