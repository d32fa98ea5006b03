"""The verdict: every environment together on the described nodes, and the cheapest that would do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ci.capacity.demand import Phase, Pod, pods_of
from ci.capacity.packing import Node, packed, spread
from ci.capacity.quantities import Amount, total

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

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


@dataclass(frozen=True, slots=True)
class Offer:
    """A node group that would do, and its price."""

    instance_type: str
    nodes: int
    month: float


@dataclass(frozen=True, slots=True)
class CapacityReport:
    """The verdict.

    Attributes:
        outcomes: one a situation.
        month: what the described nodes and their volumes cost a month.
        cheapest: the cheapest node group of one type that fits, or None if none of at most ten
            nodes does.
        findings: sentences about what does not fit; empty when everything does.
        pods: every pod that was counted.
    """

    outcomes: tuple[Outcome, ...]
    month: float
    cheapest: Offer | None
    findings: tuple[str, ...]
    pods: tuple[Pod, ...]

    @property
    def fits(self) -> bool:
        return not self.findings


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
    month = sum(
        group.desired * _node_month(group, group.instance_type, prices) for group in cluster.groups
    )
    return CapacityReport(
        outcomes=outcomes,
        month=month,
        cheapest=_cheapest(pods, cluster, prices),
        findings=tuple(_findings(outcomes, pods, cluster)),
        pods=tuple(pods),
    )


def _outcome(
    situation: Situation, pods: Sequence[Pod], cluster: Cluster, prices: Prices
) -> Outcome:
    daemons = [pod for pod in pods if pod.phase is Phase.DAEMON]
    waiting = [pod for pod in pods if pod.phase in situation.phases]
    nodes, left = _nodes(cluster, prices, situation.nodes_away), list[Pod]()
    for node in nodes:
        left += packed(daemons, [node], node.zone)
    left += packed(waiting, nodes, _volume_zone(nodes))

    again = _nodes(cluster, prices, situation.nodes_away)
    for node in again:
        packed(daemons, [node], node.zone)
    by_scheduler = spread(waiting, again, _volume_zone(again))
    return Outcome(
        situation=situation,
        fills=tuple(_fill(group, nodes) for group in cluster.groups),
        left=tuple(left),
        left_by_scheduler=tuple(by_scheduler),
        demand=total(pod.amount for pod in waiting)
        + total(pod.amount for pod in daemons) * len(nodes),
    )


def _nodes(cluster: Cluster, prices: Prices, away: int) -> list[Node]:
    """The nodes, each group's dealt to its zones in turn, less the last ones of the largest group."""
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


def _cheapest(pods: Sequence[Pod], cluster: Cluster, prices: Prices) -> Offer | None:
    """The cheapest number of nodes of one type, with the first group's other settings, that fits.

    The memory reserve set by hand belongs to its type; others are given Amazon's for `maxPods`.
    """
    group = cluster.groups[0]
    (worst,) = (one for one in SITUATIONS if one.name == WORST)
    offers = sorted(
        (
            Offer(name, count, count * _node_month(group, name, prices))
            for name in prices.instances
            for count in range(1, MOST_NODES + 1)
        ),
        key=lambda offer: (offer.month, offer.nodes),
    )
    for offer in offers:
        same = offer.instance_type == group.instance_type
        tried = replace(
            group,
            instance_type=offer.instance_type,
            desired=offer.nodes,
            zones=group.zones[:1],
            kube_reserved=group.kube_reserved if same else None,
        )
        described = replace(cluster, groups=(tried,))
        outcome = _outcome(worst, pods, described, prices)
        if not outcome.left and not outcome.left_by_scheduler:
            return offer
    return None


def _findings(
    outcomes: Sequence[Outcome], pods: Sequence[Pod], cluster: Cluster
) -> Iterable[str]:
    for outcome in outcomes:
        if not outcome.situation.required:
            continue
        where = f"{outcome.situation.name} ({outcome.situation.text})"
        if outcome.left:
            yield f"{where}: no node has room for {_names(outcome.left)}"
        elif outcome.left_by_scheduler:
            yield (
                f"{where}: everything fits when packed tightly, but the scheduler spreads pods"
                f" and would leave {_names(outcome.left_by_scheduler)} waiting"
            )
    zones = sorted({zone for group in cluster.groups for zone in group.zones})
    zonal = [pod for pod in pods if pod.zonal]
    if zonal and len(zones) > 1:
        yield (
            f"nodes may be in {', '.join(zones)}, but a volume stays in its zone, so"
            f" {_names(zonal)} may wait for a node there: pin the node group to one zone"
        )


def _names(pods: Sequence[Pod]) -> str:
    """Up to four pods by name, and how many more."""
    shown = [
        f"{pod.environment}'s {pod.name} ({pod.amount.cpu}m, {pod.amount.memory} MiB)"
        for pod in pods[:4]
    ]
    more = f" and {len(pods) - 4} more" if len(pods) > 4 else ""
    return ", ".join(shown) + more
