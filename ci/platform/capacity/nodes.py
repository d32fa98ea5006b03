"""What a node of an EC2 instance type has left for pods.

The rules are Amazon's: `kubelet` settings that nodeadm computes (amazon-eks-ami,
`nodeadm/internal/kubelet/config.go`), the ENI limit of the VPC CNI (its `eni-max-pods.txt`), and
the share of the memory that the hypervisor and the kernel keep (7.5 %, Karpenter's
`VM_MEMORY_OVERHEAD_PERCENT`).

How many pods the kubelet takes is not ours to say. A managed node group without an AMI of its own
gets a NodeConfig from EKS behind ours, with EKS's own `maxPods`; nodeadm merges them in order, and
the last value of a key wins (`nodeadm/internal/api/merge.go`). EKS computes it from the interfaces
and the VPC CNI's settings, and caps it at 110 below 30 vCPUs (EKS user guide, "Choosing an
instance type", maximum pods). A key that EKS does not send, such as `kubeReserved`, stays ours.

>>> allocatable(Instance("t3.small", 2, 2048, 3, 4)).memory
1418
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import floor

from ci.platform.capacity.amounts import Amount

EVICTION_MIB = 100
OVERHEAD = 0.075
# EKS's cap for managed nodes with fewer than 30 vCPUs.
MOST_PODS_WITH_PREFIXES = 110
ADDRESSES_PER_PREFIX = 16


def architecture(instance_type: str) -> str:
    """What an instance type runs, in the words of image platforms: `amd64` or `arm64`.

    In a type's name a `g` behind the generation is for Graviton, as in `t4g` or `c7gn`; `g4dn` is
    of the family g. The first Graviton is `a1`. (EC2 instance types, "Naming conventions".)
    """
    is_arm = re.match(r"[a-z]+\d+g|a1\.", instance_type) is not None
    return "arm64" if is_arm else "amd64"


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
    """

    name: str
    vcpu: int
    memory_mib: int
    enis: int
    ips_per_eni: int
    hour: float = 0.0


@dataclass(frozen=True, slots=True)
class Room:
    """What a node offers to pods.

    Attributes:
        cpu, memory: in millicores and MiB.
        pods: how many the kubelet takes.
        covered: how many of them its memory reserve is made for.
    """

    cpu: int
    memory: int
    pods: int
    covered: int

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


def reserved_memory(pods: int) -> int:
    """MiB kept for the kubelet: 11 MiB a pod and 255 MiB (`getMemoryMebibytesToReserve`)."""
    return 11 * pods + 255


def pods_covered(reserved_mib: int) -> int:
    """How many pods a reserve is made for by that formula.

    With more the kubelet still works, but what it uses beyond its reserve comes out of the memory
    below which it begins to evict pods.
    """
    return max(0, (reserved_mib - 255) // 11)


def memory_of(instance: Instance) -> int:
    """MiB that the hypervisor and the kernel leave, about."""
    return floor(instance.memory_mib * (1 - OVERHEAD))


def allocatable(
    instance: Instance, *, kube_reserved: Amount | None = None, prefixes: bool = False
) -> Room:
    """What is left for pods.

    Args:
        instance: the type.
        kube_reserved: the kubelet's `kubeReserved`, or None for nodeadm's own. That one is always
            for as many pods as there are plain addresses, also when the CNI delegates prefixes
            (`withDefaultReservedResources`).
        prefixes: whether the VPC CNI delegates prefixes.
    """
    own = Amount(reserved_cpu(instance.vcpu), reserved_memory(pods_by_interfaces(instance)))
    reserved = kube_reserved or own
    return Room(
        cpu=instance.vcpu * 1000 - reserved.cpu,
        memory=memory_of(instance) - reserved.memory - EVICTION_MIB,
        pods=pods_by_interfaces(instance, prefixes=prefixes),
        covered=pods_covered(reserved.memory),
    )
