"""What the nodes of a described group offer once they are there, and what another figure means.

`kubectl get nodes` shows both figures as `allocatable`. The memory is an estimate: the hypervisor
and the kernel keep a little more or less of an instance than the 7.5 % that are counted here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ci.capacity.cluster import Cluster
    from ci.capacity.prices import Prices


class Offered(NamedTuple):
    """What each node of a group offers to pods.

    Attributes:
        group, nodes: which group, and how many nodes it has.
        memory: in MiB, with the reserve that the group's `kubeReserved` says.
        memory_by_default: in MiB, with the reserve that the kubelet has otherwise.
        pods: how many the kubelet takes, with the CNI's prefixes as described.
        pods_by_default: how many it takes without prefixes.
    """

    group: str
    nodes: int
    memory: int
    memory_by_default: int
    pods: int
    pods_by_default: int

    @property
    def text(self) -> str:
        """What one should see, and what it means otherwise."""
        lines = [f"{self.nodes} nodes with about {self.memory} MiB and {self.pods} pods each"]
        if self.memory != self.memory_by_default:
            lines.append(
                f"about {self.memory_by_default} MiB mean that kubeReserved did not arrive"
            )
        if self.pods != self.pods_by_default:
            lines.append(
                f"{self.pods_by_default} pods mean that the node group was made before the VPC CNI"
                " had its prefixes: make it anew"
            )
        return "; ".join(lines)

    def fault(self, memory: int, pods: int) -> str | None:
        """What is wrong with a node that offers so many MiB and so many pods, or None."""
        if pods < self.pods:
            return (
                f"a node of {self.group} takes {pods} pods, not {self.pods}: the node group was"
                " made before the VPC CNI had its prefixes"
            )
        if abs(memory - self.memory) > abs(memory - self.memory_by_default):
            return (
                f"a node of {self.group} offers {memory} MiB, not about {self.memory}: kubeReserved"
                " did not arrive"
            )
        return None


def offered(cluster: Cluster, prices: Prices) -> tuple[Offered, ...]:
    """What the nodes of each described group offer.

    Raises:
        InputError: the price table doesn't know a group's instance type.
    """
    found = []
    for group in cluster.groups:
        instance = prices.instance(group.instance_type)
        room = group.room(instance, prefixes=cluster.prefixes)
        default = replace(group, kube_reserved=None).room(instance, prefixes=False)
        found.append(
            Offered(group.name, group.desired, room.memory, default.memory, room.pods, default.pods)
        )
    return tuple(found)
