"""The verdict: all environments together on the described nodes, and what else would do."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from ci.capacity.demand import Phase, Pod, pods_of
from ci.capacity.packing import Node, packed, spread
from ci.capacity.quantities import Amount, total

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from ci.capacity.cluster import Cluster, NodeGroup
    from ci.capacity.prices import Prices

MOST_NODES = 10


@dataclass(frozen=True, slots=True)
class Situation:
    """A moment that the nodes have to get through.

    Attributes:
        name: its name in output.
        phases: which pods exist then.
        nodes_away: how many nodes of the largest group are missing.
        required: whether not fitting is a finding.
        text: what it means.
    """

    name: str
    phases: frozenset[Phase]
    required: bool
    text: str
    nodes_away: int = 0


_ALWAYS = frozenset({Phase.ALWAYS})
SITUATIONS = (
    Situation("quiet", _ALWAYS, True, "every autoscaler at its minimum"),
    Situation("peak", _ALWAYS | {Phase.SCALED}, True, "every autoscaler at its maximum"),
    Situation(
        "rollout",
        _ALWAYS | {Phase.SCALED, Phase.ROLLOUT},
        True,
        "at the maximum, while every environment rolls out at once",
    ),
    Situation("drained", _ALWAYS, False, "at the minimum, with one node away", nodes_away=1),
)
WORST = "rollout"


@dataclass(frozen=True, slots=True)
class Fill:
    """How full a node group is."""

    group: str
    nodes: int
    used: Amount
    room: Amount
    pods: int
    pod_room: int

    @property
    def memory_share(self) -> float:
        return self.used.memory / self.room.memory if self.room.memory else 1.0

    @property
    def cpu_share(self) -> float:
        return self.used.cpu / self.room.cpu if self.room.cpu else 1.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a situation.

    Attributes:
        situation: which.
        fills: how full each node group is, with what could be placed.
        left: pods for which no place was found, packing as tightly as first fit decreasing does.
        left_by_scheduler: pods that wait when the scheduler spreads them in order of arrival.
        demand: what all pods, those on every node included, request.
    """

    situation: Situation
    fills: tuple[Fill, ...]
    left: tuple[Pod, ...]
    left_by_scheduler: tuple[Pod, ...]
    demand: Amount

    @property
    def waiting(self) -> tuple[Pod, ...]:
        """The pods for which neither way finds a place; empty when one of them places all."""
        return min(self.left, self.left_by_scheduler, key=len)


class Offer(NamedTuple):
    """So many nodes of a type that would do, and their price."""

    instance_type: str
    nodes: int
    month: float


class Shortage(NamedTuple):
    """Something that does not fit: what happens, and to which pods."""

    message: str
    pods: tuple[Pod, ...]
    zonal: bool = False


@dataclass(frozen=True)
class CapacityReport:
    """The verdict.

    Attributes:
        pods: every pod that was counted.
        outcomes: one a situation.
        shortages: what does not fit; empty when everything does.
        cluster, prices: what it was asked of.
    """

    pods: tuple[Pod, ...]
    outcomes: tuple[Outcome, ...]
    shortages: tuple[Shortage, ...]
    cluster: Cluster = field(repr=False)
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
    cluster: Cluster,
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
    situation: Situation, pods: Sequence[Pod], cluster: Cluster, prices: Prices
) -> Outcome:
    daemons = [pod for pod in pods if pod.phase is Phase.DAEMON]
    waiting = [pod for pod in pods if pod.phase in situation.phases]

    def place(how: Callable[..., list[Pod]]) -> tuple[list[Node], tuple[Pod, ...]]:
        nodes = _nodes(cluster, prices, situation.nodes_away)
        left = [pod for node in nodes for pod in packed(daemons, [node], node.zone)]
        left += how(waiting, nodes, _volume_zone(nodes))
        return nodes, tuple(left)

    nodes, left = place(packed)
    _, left_by_scheduler = place(spread)
    return Outcome(
        situation=situation,
        fills=tuple(_fill(group, nodes) for group in cluster.groups),
        left=left,
        left_by_scheduler=left_by_scheduler,
        demand=total(pod.amount for pod in waiting)
        + total(pod.amount for pod in daemons) * len(nodes),
    )


def _nodes(cluster: Cluster, prices: Prices, away: int) -> list[Node]:
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


def _fill(group: NodeGroup, nodes: Sequence[Node]) -> Fill:
    mine = [node for node in nodes if node.group == group.name]
    return Fill(
        group=group.name,
        nodes=len(mine),
        used=total(node.used for node in mine),
        room=total(node.room.amount for node in mine),
        pods=sum(len(node.pods) for node in mine),
        pod_room=sum(node.room.pods for node in mine),
    )


def _node_month(group: NodeGroup, instance_type: str, prices: Prices) -> float:
    """A node with its volume, a month, on demand."""
    volume = group.volume_gb * prices.rate("ebs", "gp3_gb_month")
    return prices.month(prices.instance(instance_type).hour) + volume


def _offers(pods: Sequence[Pod], cluster: Cluster, prices: Prices) -> Iterator[Offer]:
    for name in prices.instances:
        for count in range(1, MOST_NODES + 1):
            if _would_do(name, count, pods, cluster, prices):
                month = count * _node_month(cluster.groups[0], name, prices)
                yield Offer(name, count, month)
                break


def _would_do(
    instance_type: str, count: int, pods: Sequence[Pod], cluster: Cluster, prices: Prices
) -> bool:
    """Whether so many nodes of a type, with the first group's other settings, hold the worst case.

    The memory reserve was set by hand for the pods that the described nodes get; fewer, larger
    nodes get more, so Amazon's own reserve for `maxPods` is tried as well.
    """
    (worst,) = (one for one in SITUATIONS if one.name == WORST)
    group = cluster.groups[0]
    for reserve in dict.fromkeys((group.kube_reserved, None)):
        tried = replace(
            group,
            instance_type=instance_type,
            desired=count,
            zones=group.zones[:1],
            kube_reserved=reserve,
        )
        described = replace(cluster, groups=(tried,))
        if _is_enough(worst, pods, _nodes(described, prices, 0)):
            outcome = _outcome(worst, pods, described, prices)
            if not outcome.left_by_scheduler:
                return True
    return False


def _is_enough(situation: Situation, pods: Sequence[Pod], nodes: Sequence[Node]) -> bool:
    """Whether the nodes together have as much as all pods ask: cheap to say, before packing."""
    daemons = [pod for pod in pods if pod.phase is Phase.DAEMON] * len(nodes)
    asked = [pod for pod in pods if pod.phase in situation.phases] + daemons
    room = total(node.room.amount for node in nodes)
    return len(asked) <= sum(node.room.pods for node in nodes) and total(
        pod.amount for pod in asked
    ).within(room)


def _shortages(
    outcomes: Sequence[Outcome], pods: Sequence[Pod], cluster: Cluster
) -> Iterator[Shortage]:
    for outcome in outcomes:
        if not outcome.situation.required:
            continue
        where = f"{outcome.situation.name} ({outcome.situation.text})"
        if outcome.waiting:
            left = outcome.waiting
            yield Shortage(f"{where}: no node has room for {_names(left)}", left)
        elif outcome.left_by_scheduler:
            left = outcome.left_by_scheduler
            yield Shortage(
                f"{where}: everything fits when packed tightly, but the scheduler spreads pods"
                f" and would leave {_names(left)} waiting",
                left,
            )
    yield from lost_zones(pods, cluster)


def lost_zones(pods: Sequence[Pod], cluster: Cluster) -> Iterator[Shortage]:
    """Pods with a volume, where nodes may come up in another zone than the volume's."""
    zones = sorted({zone for group in cluster.groups for zone in group.zones})
    zonal = tuple(pod for pod in pods if pod.zonal)
    if zonal and len(zones) > 1:
        yield Shortage(
            f"nodes may be in {', '.join(zones)}, but a volume stays in its zone, so"
            f" {_names(zonal)} may wait for a node there: pin the node group to one zone",
            zonal,
            zonal=True,
        )


def _names(pods: Sequence[Pod]) -> str:
    """Up to four pods by name, and how many more."""
    shown = [
        f"{pod.environment}'s {pod.name} ({pod.amount.cpu}m, {pod.amount.memory} MiB)"
        for pod in pods[:4]
    ]
    more = f" and {len(pods) - 4} more" if len(pods) > 4 else ""
    return ", ".join(shown) + more
