"""The bill of a month, line by line, on a cluster made up for it."""

import datetime
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ci.errors import InputError
from ci.platform.capacity import EksCluster, NodeGroup, load_prices
from ci.platform.capacity.cost import monthly

PRICES = load_prices(Path(__file__).parents[4] / "infra/prices.yaml")
GROUP = NodeGroup("nodes", "t3.small", 2, ("us-east-1a",), volume_gb=20)
CLUSTER = EksCluster("c", "us-east-1", "1.32", (GROUP,), zones=("us-east-1a", "us-east-1b"))


def bill(*resources: dict[str, Any], cluster: EksCluster = CLUSTER) -> dict[str, float]:
    return {line.item: round(line.month, 2) for line in monthly(resources, cluster, PRICES)}


def test_an_old_version_costs_six_times_a_new_one() -> None:
    assert bill()["EKS 1.32, extended support"] == 438.0
    assert bill(cluster=replace(CLUSTER, version="1.35"))["EKS 1.35, standard support"] == 73.0


def test_the_extended_price_begins_on_the_day_that_standard_support_ends() -> None:
    assert PRICES.eks_hour("1.32", datetime.date(2026, 3, 22)) == 0.10
    assert PRICES.eks_hour("1.32", datetime.date(2026, 3, 23)) == 0.60


def test_nodes_and_their_volumes_are_counted() -> None:
    lines = bill()
    assert lines["2 x t3.small, on demand"] == 30.37
    assert lines["the nodes' own volumes, gp3, 20 GB each"] == 3.2


def test_spot_nodes_cost_their_assumed_share() -> None:
    spot = replace(CLUSTER, groups=(replace(GROUP, spot=True),))
    assert bill(cluster=spot)["2 x t3.small, spot"] == 10.63


def test_claims_of_every_replica_are_counted() -> None:
    claim = {"spec": {"resources": {"requests": {"storage": "10Gi"}}}}
    database = {"kind": "StatefulSet", "spec": {"replicas": 3, "volumeClaimTemplates": [claim]}}
    alone = {"kind": "PersistentVolumeClaim", **claim}
    assert bill(database, alone)["claimed volumes, gp3"] == 3.2


def service(**annotations: str) -> dict[str, Any]:
    metadata = {"name": "web", "namespace": "shop", "annotations": annotations}
    return {"kind": "Service", "metadata": metadata, "spec": {"type": "LoadBalancer"}}


def test_a_load_balancer_is_a_classic_one_unless_it_asks_for_another() -> None:
    assert bill(service())["classic load balancer of shop/web"] == 18.25
    nlb = {"service.beta.kubernetes.io/aws-load-balancer-type": "nlb"}
    assert bill(service(**nlb))["network load balancer of shop/web"] == 16.86


def test_public_addresses_are_those_of_nodes_and_of_load_balancers_in_each_zone() -> None:
    item = "public IPv4 addresses of nodes and load balancers"
    assert bill()[item] == 7.3
    assert bill(service())[item] == 14.6


def test_a_nat_gateway_costs_more_than_both_nodes() -> None:
    lines = bill(cluster=replace(CLUSTER, nat_gateways=1))
    assert lines["1 NAT gateway"] > lines["2 x t3.small, on demand"]
    assert not [item for item in bill() if "NAT" in item]


def test_the_audit_log_is_counted_where_the_cluster_sends_it() -> None:
    item = "CloudWatch Logs, audit log of the Kubernetes API, 10 GB a month"
    assert item not in bill()
    assert bill(cluster=replace(CLUSTER, logs=("audit",)))[item] == 5.0
    assert bill(cluster=replace(CLUSTER, logs=("all",)))[item] == 5.0


def test_every_price_has_a_source_with_a_date() -> None:
    assert set(PRICES.dates) >= {"ec2", "ebs", "elb", "eks", "ecr", "cloudwatch", "codebuild"}
    assert all(isinstance(date, datetime.date) for date in PRICES.dates.values())


def test_a_rate_that_the_table_lacks_is_named() -> None:
    with pytest.raises(InputError, match=r"no ebs\.gp4"):
        PRICES.rate("ebs", "gp4")


def _repository(**more: str) -> dict[str, Any]:
    data = {
        "PGBACKREST_REPO1_S3_BUCKET": "a-bucket",
        "PGBACKREST_REPO1_S3_ENDPOINT": "s3.us-east-1.amazonaws.com",
        "PGBACKREST_REPO1_RETENTION_FULL": "28",
    }
    return {"kind": "ConfigMap", "metadata": {"name": "r"}, "data": data | more}


def test_backups_cost_what_the_page_says() -> None:
    """28 days and 14 of the lock: seven full backups, and a segment of log every 30 seconds."""
    lines = monthly([_repository()], CLUSTER, PRICES)
    kept, written = (line for line in lines if line.group == "backups")
    assert kept.month == pytest.approx((7 * 0.1 + 42 * 0.05) * 0.023)
    assert written.month == pytest.approx((730 * 120 + 730 * 10) / 1000 * 0.005)
    page = (Path(__file__).parents[4] / "docs/cost.md").read_text(encoding="utf-8")
    assert f"${kept.month + written.month:.2f} a month" in page
    assert kept.sum in page


@pytest.mark.parametrize(
    "more",
    [
        {"PGBACKREST_REPO1_S3_BUCKET": ""},
        {"PGBACKREST_REPO1_S3_ENDPOINT": "s3.example.com"},
    ],
)
def test_backups_that_are_off_or_elsewhere_cost_nothing_at_aws(more: dict[str, str]) -> None:
    lines = monthly([_repository(**more)], CLUSTER, PRICES)
    assert not [line for line in lines if line.group == "backups"]


def _service_of(host: str) -> dict[str, Any]:
    return {"kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"DB_HOST": host}}


def test_a_database_at_rds_costs_what_the_page_says() -> None:
    lines = monthly([_service_of("space.abc.us-east-1.rds.amazonaws.com")], CLUSTER, PRICES)
    found = [line.month for line in lines if line.group == "database"]
    assert found == pytest.approx([2 * 730 * 0.065, 2 * 20 * 0.115, 0.40])
    page = (Path(__file__).parents[4] / "docs/cost.md").read_text(encoding="utf-8")
    assert f"**${sum(found):.2f}**" in page


@pytest.mark.parametrize("host", ["postgresql-service", "pg.example.org"])
def test_a_database_elsewhere_costs_nothing_at_aws(host: str) -> None:
    lines = monthly([_service_of(host)], CLUSTER, PRICES)
    assert not [line for line in lines if line.group == "database"]
