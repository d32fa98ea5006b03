"""The verdict: all environments together on the described nodes, and what else would do."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from ci.platform.capacity.amounts import Amount, total
from ci.platform.capacity.demand import Occasion, PodDemand, pods_of
from ci.platform.capacity.nodes import reserved_memory
from ci.platform.capacity.packing import Node, spread

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ci.platform.capacity.eksctl import EksCluster, NodeGroup
    from ci.platform.capacity.nodes import Room
    from ci.platform.capacity.prices import Prices

MOST_NODES = 10


@dataclass(frozen=True, slots=True)
class Situation:
    """A moment that the nodes have to get through.

    Attributes:
        name: its name in output.
        occasions: which pods exist then.
        nodes_away: how many nodes of the largest group are missing.
        required: whether not fitting is a finding.
        text: what it means.
    """

    name: str
    occasions: frozenset[Occasion]
    required: bool
    text: str
    nodes_away: int = 0


_ALWAYS = frozenset({Occasion.ALWAYS})
SITUATIONS = (
    Situation("quiet", _ALWAYS, True, "every autoscaler at its minimum"),
    Situation("peak", _ALWAYS | {Occasion.SCALED}, True, "every autoscaler at its maximum"),
    Situation(
        "rollout",
        _ALWAYS | {Occasion.SCALED, Occasion.ROLLOUT},
        True,
        "at the maximum, while every environment rolls out at once",
    ),
    Situation("drained", _ALWAYS, False, "at the minimum, with one node away", nodes_away=1),
)
WORST = "rollout"


@dataclass(frozen=True, slots=True)
class Fill:
    """How full a node group is.

    Attributes:
        group, nodes: which, and how many nodes it has.
        used, room: what its pods request, and what its nodes offer.
        pods: how many pods it holds.
        most: the most that any placement could put on one of its nodes. Every pod requests memory,
            so memory bounds their number before the kubelet does.
        covered: the number of pods for which a node's memory reserve is made.
        pod_room: how many pods the kubelets take.
    """

    group: str
    nodes: int
    used: Amount
    room: Amount
    pods: int
    most: int
    covered: int
    pod_room: int

    @property
    def memory_share(self) -> float:
        return self.used.memory / self.room.memory if self.room.memory else 1.0

    @property
    def cpu_share(self) -> float:
        return self.used.cpu / self.room.cpu if self.room.cpu else 1.0


@dataclass(frozen=True, slots=True)
class Placement:
    """What became of a situation.

    Attributes:
        situation: which.
        fills: how full each node group is, with what could be placed.
        waiting: pods for which the scheduler finds no place.
        crowded: the fullest node, if it has more pods than its memory reserve is made for.
        demand: what all pods, those on every node included, request.
    """

    situation: Situation
    fills: tuple[Fill, ...]
    waiting: tuple[PodDemand, ...]
    crowded: Node | None
    demand: Amount


class Offer(NamedTuple):
    """So many nodes of a type that would do, and their price."""

    instance_type: str
    nodes: int
    month: float


class Lack(Enum):
    """What there is too little of."""

    ROOM = "room on the nodes"
    ZONE = "a node in the volume's zone"
    RESERVE = "memory kept for the kubelet"


class Shortage(NamedTuple):
    """Something that does not fit: what happens, to which pods, and what is lacking."""

    message: str
    pods: tuple[PodDemand, ...]
    lack: Lack = Lack.ROOM


@dataclass(frozen=True)
class CapacityReport:
    """The verdict.

    Attributes:
        pods: every pod that was counted.
        outcomes: one a situation.
        shortages: what does not fit; empty when everything does.
        cluster, prices: what it was asked of.
    """

    pods: tuple[PodDemand, ...]
    outcomes: tuple[Placement, ...]
    shortages: tuple[Shortage, ...]
    cluster: EksCluster = field(repr=False)
    prices: Prices = field(repr=False)

    @property
    def fits(self) -> bool:
        return not self.shortages

    @property
    def findings(self) -> tuple[str, ...]:
        """The shortages as sentences."""
        return tuple(shortage.message for shortage in self.shortages)

    @cached_property
    def month(self) -> float:
        """What the described nodes and their volumes cost a month on demand."""
        return sum(
            group.desired * _node_month(group, group.instance_type, self.prices)
            for group in self.cluster.groups
        )

    @cached_property
    def offers(self) -> tuple[Offer, ...]:
        """The fewest nodes of each type of the price table that do; not a type that takes > 10."""
        return tuple(_offers(self.pods, self.cluster, self.prices))

    @property
    def cheapest(self) -> Offer | None:
        """The offer for the least money."""
        return min(self.offers, key=lambda offer: offer.month, default=None)


def report(
    resources_by_environment: Mapping[str, Iterable[Mapping[str, Any]]],
    cluster: EksCluster,
    prices: Prices,
) -> CapacityReport:
    """Check that everything fits the cluster's node groups, taken together.

    Not looked at: node selectors, taints, affinity, spread constraints, ephemeral storage, and
    memory that is used without being requested.

    Args:
        resources_by_environment: rendered resources by environment, add-ons among them.
        cluster: the described cluster.
        prices: the price table.

    Raises:
        InputError: a quantity can't be read, or the table lacks the instance type.
    """
    pods = [pod for name, them in resources_by_environment.items() for pod in pods_of(name, them)]
    outcomes = tuple(_outcome(one, pods, cluster, prices) for one in SITUATIONS)
    shortages = tuple(_shortages(outcomes, pods, cluster))
    return CapacityReport(tuple(pods), outcomes, shortages, cluster, prices)


def _outcome(
    situation: Situation, pods: Sequence[PodDemand], cluster: EksCluster, prices: Prices
) -> Placement:
    daemons = [pod for pod in pods if pod.occasion is Occasion.DAEMON]
    others = [pod for pod in pods if pod.occasion in situation.occasions]
    nodes = _nodes(cluster, prices, situation.nodes_away)
    waiting = [pod for node in nodes for pod in spread(daemons, [node], node.zone)]
    waiting += spread(others, nodes, _volume_zone(nodes))
    crowded = [node for node in nodes if len(node.pods) > node.room.covered]
    return Placement(
        situation=situation,
        fills=tuple(_fill(group, nodes, daemons, others) for group in cluster.groups),
        waiting=tuple(waiting),
        crowded=max(crowded, key=lambda node: len(node.pods), default=None),
        demand=total(pod.amount for pod in others)
        + total(pod.amount for pod in daemons) * len(nodes),
    )


def _nodes(cluster: EksCluster, prices: Prices, away: int) -> list[Node]:
    """The nodes, dealt to their group's zones in turn; `away` are missing of the largest group."""
    nodes = []
    largest = max(cluster.groups, key=lambda group: group.desired)
    for group in cluster.groups:
        room = group.room(prices.instance(group.instance_type), prefixes=cluster.prefixes)
        count = group.desired - (away if group is largest else 0)
        for number in range(max(0, count)):
            zone = group.zones[number % len(group.zones)] if group.zones else ""
            nodes.append(Node(f"{group.name}-{number + 1}", group.name, zone, room))
    return nodes


def _volume_zone(nodes: Sequence[Node]) -> str:
    """The zone that volumes are taken to be in: the one with the fewest nodes, the worst case."""
    zones = [node.zone for node in nodes]
    return min(sorted(set(zones)), key=zones.count, default="")


def _fill(
    group: NodeGroup,
    nodes: Sequence[Node],
    daemons: Sequence[PodDemand],
    others: Sequence[PodDemand],
) -> Fill:
    mine = [node for node in nodes if node.group == group.name]
    rooms = [node.room for node in mine]
    return Fill(
        group=group.name,
        nodes=len(mine),
        used=total(node.used for node in mine),
        room=total(node.room.amount for node in mine),
        pods=sum(len(node.pods) for node in mine),
        most=most_on_a_node(rooms[0], daemons, others) if rooms else 0,
        covered=rooms[0].covered if rooms else 0,
        pod_room=sum(room.pods for room in rooms),
    )


def most_on_a_node(room: Room, daemons: Sequence[PodDemand], others: Iterable[PodDemand]) -> int:
    """The most pods that any placement could put on one node.

    A node has one of each DaemonSet's pods. Of the others most fit when the ones that request the
    least memory come first; what they request of the CPU can only make it fewer.
    """
    memory = room.memory - total(pod.amount for pod in daemons).memory
    count = len(daemons)
    for amount in sorted(pod.amount.memory for pod in others):
        memory -= amount
        if memory < 0:
            break
        count += 1
    return min(count, room.pods)


def _node_month(group: NodeGroup, instance_type: str, prices: Prices) -> float:
    """A node with its volume, a month, on demand."""
    volume = group.volume_gb * prices.rate("ebs", "gp3_gb_month")
    return prices.month(prices.instance(instance_type).hour) + volume


def _offers(pods: Sequence[PodDemand], cluster: EksCluster, prices: Prices) -> Iterator[Offer]:
    for name in prices.instances:
        for count in range(1, MOST_NODES + 1):
            if _would_do(name, count, pods, cluster, prices):
                month = count * _node_month(cluster.groups[0], name, prices)
                yield Offer(name, count, month)
                break


def _would_do(
    instance_type: str, count: int, pods: Sequence[PodDemand], cluster: EksCluster, prices: Prices
) -> bool:
    """Whether so many nodes of a type, with the first group's other settings, hold the worst case.

    The memory reserve was set by hand for the pods that the described nodes get. Fewer, larger
    nodes get more, so the reserve grows until it is made for the pods of the fullest node.
    """
    (worst,) = (one for one in SITUATIONS if one.name == WORST)
    group = replace(
        cluster.groups[0],
        instance_type=instance_type,
        desired=count,
        zones=cluster.groups[0].zones[:1],
    )
    while True:
        described = replace(cluster, groups=(group,))
        if not _is_enough(worst, pods, _nodes(described, prices, 0)):
            return False
        outcome = _outcome(worst, pods, described, prices)
        if outcome.waiting or outcome.crowded is None:
            return not outcome.waiting
        cpu = prices.instance(instance_type).vcpu * 1000 - outcome.crowded.room.cpu
        reserve = Amount(cpu, reserved_memory(len(outcome.crowded.pods)))
        group = replace(group, kube_reserved=reserve)


def _is_enough(situation: Situation, pods: Sequence[PodDemand], nodes: Sequence[Node]) -> bool:
    """Whether the nodes together have as much as all pods ask: cheap to say, before packing."""
    daemons = [pod for pod in pods if pod.occasion is Occasion.DAEMON] * len(nodes)
    asked = [pod for pod in pods if pod.occasion in situation.occasions] + daemons
    room = total(node.room.amount for node in nodes)
    return len(asked) <= sum(node.room.pods for node in nodes) and total(
        pod.amount for pod in asked
    ).within(room)


def _shortages(
    outcomes: Sequence[Placement], pods: Sequence[PodDemand], cluster: EksCluster
) -> Iterator[Shortage]:
    for outcome in outcomes:
        if not outcome.situation.required:
            continue
        where = f"{outcome.situation.name} ({outcome.situation.text})"
        if outcome.waiting:
            left = outcome.waiting
            yield Shortage(f"{where}: no node has room for {_names(left)}", left)
        elif outcome.crowded:
            yield _crowded(where, outcome.crowded)
    yield from lost_zones(pods, cluster)


def _crowded(where: str, node: Node) -> Shortage:
    count = len(node.pods)
    return Shortage(
        f"{where}: {node.name} gets {count} pods, and the memory kept for its kubelet is made for"
        f" {node.room.covered}: set kubeReserved.memory to {reserved_memory(count)}Mi in"
        f" overrideBootstrapCommand",
        tuple(node.pods),
        Lack.RESERVE,
    )


def lost_zones(pods: Sequence[PodDemand], cluster: EksCluster) -> Iterator[Shortage]:
    """Pods with a volume, where nodes may come up in another zone than the volume's."""
    zones = sorted({zone for group in cluster.groups for zone in group.zones})
    zonal = tuple(pod for pod in pods if pod.zonal)
    if zonal and len(zones) > 1:
        yield Shortage(
            f"nodes may be in {', '.join(zones)}, but a volume stays in its zone, so"
            f" {_names(zonal)} may wait for a node there: pin the node group to one zone",
            zonal,
            Lack.ZONE,
        )


def _names(pods: Sequence[PodDemand]) -> str:
    """Up to four pods by name, and how many more."""
    shown = [
        f"{pod.environment}'s {pod.name} ({pod.amount.cpu}m, {pod.amount.memory} MiB)"
        for pod in pods[:4]
    ]
    more = f" and {len(pods) - 4} more" if len(pods) > 4 else ""
    return ", ".join(shown) + more
