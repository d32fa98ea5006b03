"""The older guide's recommendations to save money, worked out for the tree as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ci.platform.capacity import cost

if TYPE_CHECKING:
    from ci.platform.capacity.eksctl import EksCluster
    from ci.platform.capacity.prices import Prices
    from ci.platform.capacity.report import CapacityReport

HOURS_AT_NIGHT = 12
DAYS_PER_MONTH = 365 / 12
FEW_BUILDS = 30


class Advice(NamedTuple):
    """What the older guide says, what holds here, and what it saves a month."""

    guide: str
    here: str
    saves: str


def worked_out(verdict: CapacityReport, cluster: EksCluster, prices: Prices) -> list[Advice]:
    """The seven, in the older guide's order."""
    return [
        _right_size(verdict, cluster, prices),
        _spot(cluster, prices),
        Advice(
            "3. Horizontal pod autoscaling",
            "Prod scales between its bounds. Pods cost nothing, nodes do, and their number stays.",
            "$0",
        ),
        _autoscaler(verdict, cluster, prices),
        _reserved(cluster, prices),
        _lifecycle(prices),
        _retention(cluster, prices),
    ]


def _nodes_month(cluster: EksCluster, prices: Prices) -> float:
    group = cluster.groups[0]
    return prices.month(prices.instance(group.instance_type).hour) * group.desired


def _right_size(verdict: CapacityReport, cluster: EksCluster, prices: Prices) -> Advice:
    group, offer = cluster.groups[0], verdict.cheapest
    medium = prices.month(prices.instance("t3.medium").hour)
    best = f"{offer.nodes} x {offer.instance_type}, ${offer.month:.2f}" if offer else "none"
    here = (
        f"{group.desired} x {group.instance_type} cost ${_nodes_month(cluster, prices):.2f}; one"
        f" t3.medium ${medium:.2f}. The cheapest that fits, with its volumes: {best}, where these"
        f" are ${verdict.month:.2f}."
    )
    saved = verdict.month - offer.month if offer else 0.0
    return Advice("1. Right-size: t3.small at $0.0208 an hour", here, f"${saved:.2f}")


def _spot(cluster: EksCluster, prices: Prices) -> Advice:
    share = prices.rate("assumptions", "spot_share_of_on_demand")
    here = (
        f"t3 spot is taken to cost {share:.0%} of the price on demand, not a tenth, and prod's"
        " database would move with two minutes' notice. For a cluster with dev alone."
    )
    saved = _nodes_month(cluster, prices) * (1 - share)
    return Advice("2. Spot, up to 90 %", here, f"up to ${saved:.2f}")


def _autoscaler(verdict: CapacityReport, cluster: EksCluster, prices: Prices) -> Advice:
    group = cluster.groups[0]
    instance = prices.instance(group.instance_type)
    night = instance.hour * HOURS_AT_NIGHT * DAYS_PER_MONTH
    day = _nodes_month(cluster, prices) / DAYS_PER_MONTH
    drained = next(one for one in verdict.outcomes if one.situation.nodes_away)
    here = (
        f"One node away for {HOURS_AT_NIGHT} hours a night is ${night:.2f} a month; all nodes"
        f" together cost ${day:.2f} a day."
    )
    if drained.waiting:
        room = group.room(instance, prefixes=cluster.prefixes).memory
        here += (
            f" And even the quiet tree requests {drained.demand.memory} MiB, where one node has"
            f" {room}."
        )
        night = 0.0
    return Advice("4. Cluster autoscaler down to one node, $15-20 a day", here, f"${night:.2f}")


def _reserved(cluster: EksCluster, prices: Prices) -> Advice:
    group = cluster.groups[0]
    instance = prices.instance(group.instance_type)
    here = (
        f"${instance.reserved_hour:.4f} instead of ${instance.hour:.4f} an hour, nothing up front:"
        f" {1 - instance.reserved_hour / instance.hour:.0%}."
    )
    saved = prices.month(instance.hour - instance.reserved_hour) * group.desired
    return Advice("5. Reserved for a year, 40 %", here, f"${saved:.2f}")


def _lifecycle(prices: Prices) -> Advice:
    kept, rate = prices.rate("assumptions", "ecr_kept_builds"), prices.rate("ecr", "gb_month")
    images = cost.registry_gb(prices, kept) * rate
    few = cost.registry_gb(prices, FEW_BUILDS) * rate
    here = (
        f"A year's {kept:g} builds cost ${images:.2f} a month, as builds share layers; keeping"
        f" {FEW_BUILDS} would cost ${few:.2f}. Untagged images expire, tagged ones never"
        " ([why](aws.md#images-that-never-expire))."
    )
    return Advice("6. ECR lifecycle", here, f"${images - few:.2f}, left alone")


def _retention(cluster: EksCluster, prices: Prices) -> Advice:
    written = sum(cost.log_gb(cluster, prices).values())
    days = prices.rate("assumptions", "log_retention_days")
    ingest, store = cost.log_month(written, prices, days)
    _, year = cost.log_month(written, prices, 365)
    here = (
        f"Set. Kept, they cost ${store:.2f} a month; after a year without retention ${year:.2f}."
        f" Taking them in costs ${ingest:.2f} either way."
    )
    return Advice("7. Log retention of 7-30 days", here, f"${year - store:.2f}, saved already")


def larger_savings(cluster: EksCluster, prices: Prices) -> list[tuple[str, str]]:
    """What costs more than all of the above: (what to do, what it saves a month)."""
    rate = prices.rate
    extended = prices.month(rate("eks", "extended_hour") - rate("eks", "standard_hour"))
    metrics = rate("assumptions", "container_insights_metrics") * rate("cloudwatch", "metric_month")
    nat = prices.month(rate("network", "nat_gateway_hour"))
    hour = prices.eks_hour(cluster.version, prices.dates["eks_versions"])
    is_standard = hour == rate("eks", "standard_hour")
    audit = sum(
        cost.log_month(
            rate("assumptions", "audit_log_gb_per_month"),
            prices,
            rate("assumptions", "log_retention_days"),
        )
    )
    return [
        (
            "A Kubernetes version in standard support",
            f"${extended:.2f}" + ", saved already" * is_standard,
        ),
        ("Logs without Container Insights' metrics", f"${metrics:.2f}"),
        (
            "Logs without the audit log of the Kubernetes API",
            f"${audit:.2f}" + ", saved already" * (not cluster.audited),
        ),
        ("No NAT gateway", f"${nat:.2f}, saved already"),
    ]
