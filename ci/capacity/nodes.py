"""What a node of an EC2 instance type has left for pods.

The rules are Amazon's: `kubelet` settings that nodeadm computes (amazon-eks-ami, nodeadm), the ENI
limit of the VPC CNI (its `eni-max-pods.txt`), and the share of the memory that the hypervisor and
the kernel keep (7.5 %, Karpenter's `VM_MEMORY_OVERHEAD_PERCENT`).

>>> allocatable(Instance("t3.small", 2, 2048, 3, 4)).memory
1418
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor

from ci.capacity.quantities import Amount

EVICTION_MIB = 100
OVERHEAD = 0.075
# The VPC CNI's advice for instances with fewer than 30 vCPUs.
MOST_PODS_WITH_PREFIXES = 110
ADDRESSES_PER_PREFIX = 16


@dataclass(frozen=True, slots=True)
class Instance:
    """An EC2 instance type.

    Attributes:
        name: such as `t3.small`.
        vcpu: how many.
        memory_mib: memory in MiB, as AWS advertises it.
        enis: how many network interfaces it can have.
        ips_per_eni: IPv4 addresses on each.
        hour: price on demand, in dollars an hour.
        reserved_hour: the same, reserved for a year with nothing up front.
    """

    name: str
    vcpu: int
    memory_mib: int
    enis: int
    ips_per_eni: int
    hour: float = 0.0
    reserved_hour: float = 0.0


@dataclass(frozen=True, slots=True)
class Room:
    """What a node offers to pods: CPU in millicores, memory in MiB, and how many pods."""

    cpu: int
    memory: int
    pods: int

    @property
    def amount(self) -> Amount:
        return Amount(self.cpu, self.memory)


def pods_by_interfaces(instance: Instance, *, prefixes: bool = False) -> int:
    """How many pods the network interfaces can address; two more use the host's network."""
    per_eni = instance.ips_per_eni - 1
    if not prefixes:
        return instance.enis * per_eni + 2
    return min(instance.enis * per_eni * ADDRESSES_PER_PREFIX + 2, MOST_PODS_WITH_PREFIXES)


def reserved_cpu(vcpu: int) -> int:
    """Millicores kept: 6 % of the first core, 1 % of the next, 0.5 % of two, 0.25 % of others."""
    shares = [60.0, 10.0, 5.0, 5.0] + [2.5] * max(0, vcpu - 4)
    return floor(sum(shares[:vcpu]))


def reserved_memory(max_pods: int) -> int:
    """MiB kept for the kubelet: 11 MiB a pod and 255 MiB."""
    return 11 * max_pods + 255


def pods_covered(reserved_mib: int) -> int:
    """How many pods a reserve is enough for by that formula: a kubelet with more may starve."""
    return max(0, (reserved_mib - 255) // 11)


def allocatable(
    instance: Instance,
    *,
    max_pods: int | None = None,
    kube_reserved: Amount | None = None,
    prefixes: bool = False,
) -> Room:
    """What is left for pods.

    Args:
        instance: the type.
        max_pods: the kubelet's `maxPods`, or None for what the interfaces can address.
        kube_reserved: the kubelet's `kubeReserved`, or None for Amazon's formula.
        prefixes: whether the VPC CNI delegates prefixes.
    """
    addressable = pods_by_interfaces(instance, prefixes=prefixes)
    pods = addressable if max_pods is None else max_pods
    reserved = kube_reserved or Amount(reserved_cpu(instance.vcpu), reserved_memory(pods))
    capacity = floor(instance.memory_mib * (1 - OVERHEAD))
    return Room(
        cpu=instance.vcpu * 1000 - reserved.cpu,
        memory=capacity - reserved.memory - EVICTION_MIB,
        pods=min(pods, addressable, pods_covered(reserved.memory)),
    )
