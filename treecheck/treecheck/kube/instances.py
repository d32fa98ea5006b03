"""How large an EC2 instance is, by its type's name, where the name says so.

Sources: https://docs.aws.amazon.com/ec2/latest/instancetypes/instance-type-names.html, and the
tables of vCPUs and memory on the pages after it: `large` has 2 vCPUs, `xlarge` 4, `Nxlarge` 4 N. Of
families that count otherwise (`hpc7g`, `mac2`, `u-6tb1`), and of `metal`, nothing is known here.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import NamedTuple

GIB = 2**30
# Memory, in GiB for each vCPU, of the families whose letter says it; the most of any generation.
FOR_EACH_VCPU = {"c": Decimal("2.75"), "m": Decimal(4), "r": Decimal(8)}
# In GiB: the sizes of burstable instances, whose vCPUs say nothing about it.
BURSTABLE = {
    "nano": Decimal("0.5"), "micro": Decimal(1), "small": Decimal(2), "medium": Decimal(4),
    "large": Decimal(8), "xlarge": Decimal(16), "2xlarge": Decimal(32),
}  # fmt: skip
TYPE = re.compile(r"(?!hpc|mac|u-|u7)([a-z]+)\d[a-z0-9-]*\.(nano|micro|small|medium|(\d*x)?large)")


class InstanceSize(NamedTuple):
    """An instance's vCPUs, and its bytes of memory or None where its name doesn't tell."""

    cpu: Decimal
    memory: Decimal | None

    def of(self, what: str) -> Decimal | None:
        """How much it has of `cpu` or `memory`."""
        return self.cpu if what == "cpu" else self.memory


def size_of(instance_type: str) -> InstanceSize | None:
    """The size that a type's name tells, or None: `m7g.large` has 2 vCPUs and 8 GiB."""
    match = TYPE.fullmatch(instance_type)
    if match is None:
        return None
    family, size, times = match.groups()
    cpu = Decimal(2) if times is None else Decimal(4 * int(times[:-1] or 1))
    if family == "t":
        memory = BURSTABLE.get(size)
    else:
        memory = FOR_EACH_VCPU[family] * cpu if family in FOR_EACH_VCPU else None
    return InstanceSize(cpu, None if memory is None else memory * GIB)
