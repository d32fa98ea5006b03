"""What the tree as described costs a month on AWS, line by line, and what would change it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ci.tree import backup_rules, outside, reach
from treecheck.quantities import parse_quantity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ci.platform.capacity.eksctl import EksCluster, NodeGroup
    from ci.platform.capacity.prices import Prices

GIB = 2**30
LOAD_BALANCER_TYPE = f"{reach.PREFIX}type"
# The pipeline's template makes two secrets and three alarms.
SECRETS, ALARMS = 2, 4
RETENTION = "PGBACKREST_REPO1_RETENTION_FULL"
ARCHIVE_SECONDS = 30  # archive_timeout of base/postgres/backups/archiving.conf


class Line(NamedTuple):
    """A line of the bill: its group, what it is, how it comes about, and dollars a month."""

    group: str
    item: str
    sum: str
    month: float


def monthly(
    resources: Iterable[Mapping[str, Any]], cluster: EksCluster, prices: Prices
) -> list[Line]:
    """The bill of a month at the prices, and in the support period, of the table's own date.

    Args:
        resources: rendered resources of every environment.
        cluster: the described cluster.
        prices: the price table, with its assumptions about builds, logs and traffic.
    """
    listed = list(resources)
    return [
        _control_plane(cluster, prices),
        *_nodes(cluster, prices),
        *_volumes(listed, prices),
        *_load_balancers(listed, prices),
        *_network(listed, cluster, prices),
        *_registry(prices),
        *_logs(cluster, prices),
        *_pipeline(prices),
        *_backups(listed, prices),
        *_databases(listed, prices),
    ]


def _control_plane(cluster: EksCluster, prices: Prices) -> Line:
    hour = prices.eks_hour(cluster.version, prices.dates["eks_versions"])
    support = "standard" if hour == prices.rate("eks", "standard_hour") else "extended"
    item = f"EKS {cluster.version}, {support} support"
    return Line("EKS", item, _hours(1, hour, prices), prices.month(hour))


def _nodes(cluster: EksCluster, prices: Prices) -> Iterator[Line]:
    for group in cluster.groups:
        hour = node_hour(group, prices)
        kind = "spot" if group.spot else "on demand"
        yield Line(
            "nodes",
            f"{group.desired} x {group.instance_type}, {kind}",
            _hours(group.desired, hour, prices),
            prices.month(hour) * group.desired,
        )
        rate = prices.rate("ebs", "gp3_gb_month")
        yield Line(
            "EBS",
            f"the nodes' own volumes, gp3, {group.volume_gb} GB each",
            f"{group.desired} x {group.volume_gb} GB x ${rate}",
            group.desired * group.volume_gb * rate,
        )


def node_hour(group: NodeGroup, prices: Prices) -> float:
    """A node's price an hour; a spot node's is the assumed share of the price on demand."""
    hour = prices.instance(group.instance_type).hour
    return hour * prices.rate("assumptions", "spot_share_of_on_demand") if group.spot else hour


def claimed_gb(resources: Iterable[Mapping[str, Any]]) -> float:
    """GB of the persistent volumes that resources claim."""
    total = 0.0
    for resource in resources:
        spec = resource.get("spec") or {}
        if resource.get("kind") == "StatefulSet":
            claims = [claim["spec"] for claim in spec.get("volumeClaimTemplates") or ()]
            times = int(spec.get("replicas", 1))
        elif resource.get("kind") == "PersistentVolumeClaim":
            claims, times = [spec], 1
        else:
            continue
        for claim in claims:
            total += times * float(parse_quantity(claim["resources"]["requests"]["storage"]) / GIB)
    return total


def _volumes(resources: list[Mapping[str, Any]], prices: Prices) -> Iterator[Line]:
    gigabytes, rate = claimed_gb(resources), prices.rate("ebs", "gp3_gb_month")
    if gigabytes:
        yield Line("EBS", "claimed volumes, gp3", f"{gigabytes:g} GB x ${rate}", gigabytes * rate)


def _balanced(resources: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for resource in resources:
        if (resource.get("spec") or {}).get("type") == "LoadBalancer":
            yield resource


def _is_internal(service: Mapping[str, Any]) -> bool:
    found = reach.door(service)
    return found is not None and found.internal


def _load_balancers(resources: list[Mapping[str, Any]], prices: Prices) -> Iterator[Line]:
    for resource in _balanced(resources):
        metadata = resource["metadata"]
        network = (metadata.get("annotations") or {}).get(LOAD_BALANCER_TYPE) == "nlb"
        hour = prices.rate("load_balancer", "nlb_hour" if network else "classic_hour")
        units = prices.rate("assumptions", "load_balancer_lcus") if network else 0.0
        hour += units * prices.rate("load_balancer", "nlb_lcu_hour")
        name = f"{metadata.get('namespace', '')}/{metadata['name']}".lstrip("/")
        kind = "network" if network else "classic"
        item = f"{kind} load balancer of {name}"
        yield Line("load balancer", item, _hours(1, hour, prices), prices.month(hour))


def _network(
    resources: list[Mapping[str, Any]], cluster: EksCluster, prices: Prices
) -> Iterator[Line]:
    nodes = sum(group.desired for group in cluster.groups)
    # A load balancer has an address in each zone of the cluster's network.
    public = [each for each in _balanced(resources) if not _is_internal(each)]
    addresses = nodes + len(cluster.zones) * len(public)
    hour = prices.rate("network", "public_ipv4_hour")
    yield Line(
        "network",
        "public IPv4 addresses of nodes and load balancers",
        _hours(addresses, hour, prices),
        prices.month(hour) * addresses,
    )
    if cluster.nat_gateways:
        hour = prices.rate("network", "nat_gateway_hour")
        yield Line(
            "network",
            f"{cluster.nat_gateways} NAT gateway",
            _hours(cluster.nat_gateways, hour, prices),
            prices.month(hour) * cluster.nat_gateways,
        )


def _registry_gb(prices: Prices, builds: float) -> float:
    """GB in ECR once so many builds are kept: a first image, and each build's new layers."""
    first = prices.rate("assumptions", "ecr_first_image_gb")
    return first + builds * prices.rate("assumptions", "ecr_new_gb_per_build")


def _registry(prices: Prices) -> Iterator[Line]:
    builds, rate = prices.rate("assumptions", "ecr_kept_builds"), prices.rate("ecr", "gb_month")
    gigabytes = _registry_gb(prices, builds)
    yield Line(
        "ECR",
        f"images of {builds:g} builds, a year's",
        f"{gigabytes:g} GB x ${rate}",
        gigabytes * rate,
    )


def _log_gb(cluster: EksCluster, prices: Prices) -> dict[str, float]:
    """GB of logs a month, by what writes them."""
    found = {"of pods, nodes and builds": prices.rate("assumptions", "logs_gb_per_month")}
    if cluster.audited:
        rate = prices.rate("assumptions", "audit_log_gb_per_month")
        found["audit log of the Kubernetes API"] = rate
    return found


def _log_month(gigabytes: float, prices: Prices, days: float) -> tuple[float, float]:
    """Dollars a month for (ingesting, storing) logs that are kept for so many days."""
    store = prices.rate("cloudwatch", "logs_store_gb_month")
    return (
        gigabytes * prices.rate("cloudwatch", "logs_ingest_gb"),
        gigabytes * days / (365 / 12) * store,
    )


def _logs(cluster: EksCluster, prices: Prices) -> Iterator[Line]:
    days = prices.rate("assumptions", "log_retention_days")
    written = _log_gb(cluster, prices)
    for what, gigabytes in written.items():
        yield Line(
            "logs",
            f"CloudWatch Logs, {what}, {gigabytes:g} GB a month",
            f"{gigabytes:g} GB x ${prices.rate('cloudwatch', 'logs_ingest_gb'):.2f}",
            _log_month(gigabytes, prices, days)[0],
        )
    _, store = _log_month(sum(written.values()), prices, days)
    yield Line("logs", f"kept for {days:g} days", "their mean size x the price a month", store)
    metrics = prices.rate("assumptions", "container_insights_metrics")
    rate = prices.rate("cloudwatch", "metric_month")
    yield Line(
        "logs",
        f"Container Insights, about {metrics:g} metrics",
        f"{metrics:g} x ${rate:.2f}",
        metrics * rate,
    )


def _pipeline(prices: Prices) -> Iterator[Line]:
    builds = prices.rate("assumptions", "builds_per_month")
    each = prices.rate("assumptions", "minutes_per_build")
    minutes = builds * (each + prices.rate("assumptions", "minutes_per_write_back"))
    rate = prices.rate("codebuild", "small_minute")
    yield Line(
        "pipeline",
        f"CodeBuild, {builds:g} builds and write-backs",
        f"{minutes:g} min x ${rate}",
        minutes * rate,
    )
    yield Line(
        "pipeline",
        f"{SECRETS} secrets, {ALARMS} alarms, artifacts in S3",
        "list prices",
        SECRETS * prices.rate("secrets", "secret_month")
        + ALARMS * prices.rate("cloudwatch", "alarm_month")
        + prices.rate("assumptions", "artifacts_gb") * prices.rate("s3", "gb_month"),
    )


def _backups(resources: list[Mapping[str, Any]], prices: Prices) -> Iterator[Line]:
    """S3 of each environment that is backed up to AWS's: what is kept, and what is written.

    pgBackRest keeps the full backup before the oldest moment too, and the bucket what was deleted
    for as long as its lock: docs/cost.md has the sum.
    """
    for resource in resources:
        data = resource.get("data") or {}
        if resource.get("kind") != "ConfigMap" or not data.get(backup_rules.BUCKET):
            continue
        if not str(data.get(backup_rules.ENDPOINT, "")).endswith(("amazonaws.com", ".cn")):
            continue
        days = float(data.get(RETENTION) or 28) + prices.rate("assumptions", "backup_lock_days")
        fulls = days / 7 + 1
        each = prices.rate("assumptions", "backup_full_gb")
        a_day = prices.rate("assumptions", "backup_changes_gb_per_day")
        gigabytes, rate = fulls * each + days * a_day, prices.rate("s3", "gb_month")
        yield Line(
            "backups",
            f"S3, {days:g} days of backups and log",
            f"({fulls:g} x {each:g} GB + {days:g} x {a_day:g} GB) x ${rate}",
            gigabytes * rate,
        )
        # At the most: a segment every archive_timeout.
        hours = prices.rate("general", "hours_per_month")
        each_hour = 3600 / ARCHIVE_SECONDS + prices.rate("assumptions", "backup_uploads_each")
        uploads = hours * each_hour
        put = prices.rate("s3", "put_1000")
        yield Line(
            "backups",
            "S3, uploads of log and hourly backups",
            f"{uploads:,.0f} x ${put} a thousand",
            uploads / 1000 * put,
        )


def _databases(resources: list[Mapping[str, Any]], prices: Prices) -> Iterator[Line]:
    """RDS as infra/cloudformation/database.yaml makes it, for each service that connects to one."""
    for resource in resources:
        host = str((resource.get("data") or {}).get("DB_HOST", ""))
        if resource.get("kind") != "ConfigMap" or not (name := outside.instance_of(host)):
            continue
        servers, size = int(prices.rate("rds", "servers")), prices.rate("rds", "storage_gb")
        hour, rate = prices.rate("rds", "t4g_medium_hour"), prices.rate("rds", "gp3_gb_month")
        item = f"RDS {name}, db.t4g.medium in two zones"
        yield Line("database", item, _hours(servers, hour, prices), prices.month(hour) * servers)
        yield Line(
            "database",
            f"RDS {name}, storage",
            f"{servers} x {size:g} GB x ${rate}",
            servers * size * rate,
        )
        secret = prices.rate("secrets", "secret_month")
        yield Line("database", "its administrator's secret", "list price", secret)


def _hours(count: int, hour: float, prices: Prices) -> str:
    return f"{count} x {prices.rate('general', 'hours_per_month'):g} h x ${hour:.4f}"
