"""Puts pods on nodes: first fit decreasing, and the way the scheduler would.

Whether pods fit a set of nodes is bin packing, and nobody solves it exactly. `packed` is a
heuristic: what it places does fit; what it can't place might still, by luck. `spread` imitates the
scheduler's default score (NodeResourcesFit, LeastAllocated): pods in the order in which they come
up, each on the node that is emptiest with it. It shows fragmentation that a tidy packing hides.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ci.platform.capacity.amounts import Amount

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

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


def packed(pods: Sequence[PodDemand], nodes: Sequence[Node], volume_zone: str) -> list[PodDemand]:
    """Place by first fit decreasing, on the nodes given; return the pods left over.

    Pods tied to a zone come first, then by the larger of their shares of a node.
    """
    room = nodes[0].room.amount if nodes else Amount(1, 1)

    def size(pod: PodDemand) -> tuple[bool, float]:
        cpu = pod.amount.cpu / max(1, room.cpu)
        return pod.zonal, max(cpu, pod.amount.memory / max(1, room.memory))

    def first(_: PodDemand, fitting: Sequence[Node]) -> Node:
        return fitting[0]

    return _place(sorted(pods, key=size, reverse=True), nodes, volume_zone, first)


def spread(pods: Sequence[PodDemand], nodes: Sequence[Node], volume_zone: str) -> list[PodDemand]:
    """Place in the given order, each on the least allocated node; return the pods left over."""

    def emptiest(pod: PodDemand, fitting: Sequence[Node]) -> Node:
        return min(fitting, key=lambda node: node.share(pod))

    return _place(pods, nodes, volume_zone, emptiest)


def _place(
    pods: Iterable[PodDemand],
    nodes: Sequence[Node],
    volume_zone: str,
    choose: Callable[[PodDemand, Sequence[Node]], Node],
) -> list[PodDemand]:
    left = []
    for pod in pods:
        fitting = [node for node in nodes if node.holds(pod, volume_zone)]
        if fitting:
            choose(pod, fitting).put(pod)
        else:
            left.append(pod)
    return left
