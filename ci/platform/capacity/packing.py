"""Puts pods on nodes the way the scheduler does.

Whether pods fit a set of nodes at all is bin packing; what counts is where the scheduler puts them.
This imitates its default score (NodeResourcesFit, LeastAllocated): pods in the order in which they
come up, each on the node that is emptiest with it. So a gap may be left on each node while a pod
waits that a tidier packing would have placed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ci.platform.capacity.amounts import Amount

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ci.platform.capacity.demand import PodDemand
    from ci.platform.capacity.nodes import Room


@dataclass(slots=True)
class Node:
    """A node, with the pods put on it so far."""

    name: str
    group: str
    zone: str
    room: Room
    pods: list[PodDemand] = field(default_factory=list)
    used: Amount = field(default_factory=Amount)

    def holds(self, pod: PodDemand, volume_zone: str) -> bool:
        """Whether it has room for one more, in the zone that the pod may need."""
        return (
            len(self.pods) < self.room.pods
            and (self.used + pod.amount).within(self.room.amount)
            and (not pod.zonal or self.zone == volume_zone)
        )

    def put(self, pod: PodDemand) -> None:
        self.pods.append(pod)
        self.used += pod.amount

    def share(self, pod: PodDemand) -> float:
        """The mean of the shares of CPU and memory that are requested, with one pod more."""
        used = self.used + pod.amount
        return (used.cpu / max(1, self.room.cpu) + used.memory / max(1, self.room.memory)) / 2


def spread(pods: Iterable[PodDemand], nodes: Sequence[Node], volume_zone: str) -> list[PodDemand]:
    """Place in the given order, each on the least allocated node; return the pods left over."""
    left = []
    for pod in pods:
        fitting = [node for node in nodes if node.holds(pod, volume_zone)]
        if fitting:
            min(fitting, key=lambda node: node.share(pod)).put(pod)
        else:
            left.append(pod)
    return left
