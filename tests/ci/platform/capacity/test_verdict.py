"""The verdict on clusters made up for it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ci.errors import InputError
from ci.platform.capacity import EksCluster, NodeGroup, load_prices, report
from ci.platform.capacity.amounts import Amount
from ci.platform.capacity.demand import pods_of
from ci.platform.capacity.nodes import Room
from ci.platform.capacity.verdict import Lack, most_on_a_node

PRICES = load_prices(Path(__file__).parents[4] / "infra/prices.yaml")
GROUP = NodeGroup("nodes", "t3.small", 2, ("us-east-1a",), volume_gb=20)
CLUSTER = EksCluster("c", "us-east-1", "1.32", (GROUP,))  # two nodes of 1930m, 1418 MiB, 11 pods


def workload(
    name: str, memory: str, *, kind: str = "Deployment", replicas: int = 1, **spec: Any
) -> dict[str, Any]:
    requests = {"cpu": "10m", "memory": memory}
    pod = {"containers": [{"name": "c", "resources": {"requests": requests}}]}
    return {
        "kind": kind,
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "strategy": {"type": "Recreate"},
            "template": {"spec": pod},
            **spec,
        },
    }


def test_what_fits_has_no_findings_and_says_how_full() -> None:
    verdict = report({"dev": [workload("app", "709Mi")]}, CLUSTER, PRICES)
    (fill,) = verdict.outcomes[0].fills
    assert verdict.fits
    assert (fill.used, fill.room) == (Amount(10, 709), Amount(3860, 2836))
    assert (fill.pods, fill.pod_room, fill.most, fill.covered) == (1, 22, 1, 11)
    assert fill.memory_share == pytest.approx(0.25)


def test_a_pod_larger_than_any_node_is_named_with_what_it_asks() -> None:
    verdict = report({"prod": [workload("app", "1419Mi")]}, CLUSTER, PRICES)
    assert verdict.findings[0] == (
        "quiet (every autoscaler at its minimum): no node has room for prod's app 1 (10m, 1419 MiB)"
    )


def test_the_sum_may_fit_where_no_node_has_room() -> None:
    """Three pods of 800 MiB are 2400 of 2836 MiB, but a node holds one of them."""
    verdict = report({"dev": [workload("app", "800Mi", replicas=3)]}, CLUSTER, PRICES)
    assert not verdict.fits
    assert len(verdict.outcomes[0].waiting) == 1


def test_daemons_take_their_share_of_every_node() -> None:
    daemon = workload("agent", "700Mi", kind="DaemonSet")
    app = workload("app", "719Mi", replicas=2)
    assert not report({"dev": [daemon, app]}, CLUSTER, PRICES).fits
    assert report({"dev": [daemon, workload("app", "718Mi", replicas=2)]}, CLUSTER, PRICES).fits


def test_a_daemon_that_no_node_holds_is_a_finding() -> None:
    verdict = report({"dev": [workload("agent", "1500Mi", kind="DaemonSet")]}, CLUSTER, PRICES)
    assert "no node has room for dev's agent 1" in verdict.findings[0]
    assert verdict.cheapest is not None
    assert verdict.cheapest.instance_type == "t3a.medium"


def test_the_limit_of_pods_counts() -> None:
    assert report({"dev": [workload("app", "1Mi", replicas=22)]}, CLUSTER, PRICES).fits
    assert not report({"dev": [workload("app", "1Mi", replicas=23)]}, CLUSTER, PRICES).fits


WITH_PREFIXES = replace(CLUSTER, addons={"vpc-cni": {"env": {"ENABLE_PREFIX_DELEGATION": "true"}}})


def test_more_pods_than_the_kubelets_reserve_is_made_for_are_a_finding() -> None:
    """With prefixes 110 pods may come, and the default reserve is for 11."""
    assert report({"dev": [workload("app", "1Mi", replicas=22)]}, WITH_PREFIXES, PRICES).fits
    verdict = report({"dev": [workload("app", "1Mi", replicas=24)]}, WITH_PREFIXES, PRICES)
    assert verdict.findings[0] == (
        "quiet (every autoscaler at its minimum): nodes-1 gets 12 pods, and the memory kept for its"
        " kubelet is made for 11: set kubeReserved.memory to 387Mi in overrideBootstrapCommand"
    )
    assert verdict.shortages[0].lack is Lack.RESERVE


def test_a_reserve_for_more_pods_takes_the_finding_away() -> None:
    group = replace(GROUP, kube_reserved=Amount(70, 387))
    cluster = replace(WITH_PREFIXES, groups=(group,))
    assert report({"dev": [workload("app", "1Mi", replicas=24)]}, cluster, PRICES).fits


def test_an_offer_grows_its_reserve_with_the_pods_of_its_nodes() -> None:
    """40 pods: one t3.medium has 3246 MiB with a reserve for 17, 2993 for 40."""
    fits = report({"dev": [workload("app", "74Mi", replicas=40)]}, WITH_PREFIXES, PRICES)
    more = report({"dev": [workload("app", "75Mi", replicas=40)]}, WITH_PREFIXES, PRICES)
    nodes = [{one.instance_type: one.nodes for one in each.offers} for each in (fits, more)]
    assert [each["t3.medium"] for each in nodes] == [1, 2]


def test_the_most_on_a_node_are_its_daemons_and_the_pods_that_request_least() -> None:
    room = Room(cpu=1930, memory=100, pods=110, covered=20)
    pods = pods_of("dev", [workload("small", "10Mi", replicas=5), workload("large", "60Mi")])
    daemons = pods_of("dev", [workload("agent", "30Mi", kind="DaemonSet")])
    assert most_on_a_node(room, daemons, pods) == 6  # 30 + 5 x 10; the 60 don't fit any more
    assert most_on_a_node(replace(room, pods=4), daemons, pods) == 4


def test_environments_share_the_nodes() -> None:
    one = [workload("app", "1400Mi")]
    assert report({"dev": one, "prod": one}, CLUSTER, PRICES).fits
    assert not report({"dev": one, "prod": one, "test": one}, CLUSTER, PRICES).fits


def test_only_the_rollout_may_be_too_much() -> None:
    app = workload("app", "700Mi", replicas=4, strategy={"rollingUpdate": {"maxSurge": 1}})
    verdict = report({"dev": [app]}, CLUSTER, PRICES)
    assert [outcome.situation.name for outcome in verdict.outcomes if outcome.waiting] == [
        "rollout",
        "drained",
    ]
    assert [finding.split(" ")[0] for finding in verdict.findings] == ["rollout"]


def test_the_schedulers_spreading_can_leave_out_what_a_tidy_packing_holds() -> None:
    """The small ones come up first and are spread; then no node has room for the large one."""
    small = workload("a", "400Mi", replicas=2)
    large = workload("b", "1400Mi")
    verdict = report({"dev": [small, large]}, CLUSTER, PRICES)
    assert "no node has room for dev's b 1 (10m, 1400 MiB)" in verdict.findings[0]


def test_a_volume_wants_a_node_in_its_zone() -> None:
    zones = ("us-east-1a", "us-east-1b")
    spread = replace(CLUSTER, groups=(replace(GROUP, zones=zones),))
    claims = [{"spec": {"resources": {"requests": {"storage": "1Gi"}}}}]
    database = workload("db", "100Mi", kind="StatefulSet", volumeClaimTemplates=claims)
    verdict = report({"prod": [database]}, spread, PRICES)
    assert "a volume stays in its zone" in verdict.findings[-1]
    assert report({"prod": [database]}, CLUSTER, PRICES).fits
    assert report({"prod": [workload("app", "100Mi")]}, spread, PRICES).fits


def test_zonal_pods_share_the_zone_with_the_fewest_nodes() -> None:
    """Of three nodes in two zones one is alone; both databases have to fit it."""
    zones = ("us-east-1a", "us-east-1b")
    spread = replace(CLUSTER, groups=(replace(GROUP, zones=zones, desired=3),))
    claims = [{"spec": {"resources": {"requests": {"storage": "1Gi"}}}}]
    database = workload("db", "800Mi", kind="StatefulSet", volumeClaimTemplates=claims, replicas=2)
    verdict = report({"prod": [database]}, spread, PRICES)
    assert [pod.name for pod in verdict.outcomes[0].waiting] == ["db 2"]


def test_the_cheapest_offer_is_the_least_money_that_holds_the_worst_moment() -> None:
    verdict = report({"dev": [workload("app", "2000Mi")]}, CLUSTER, PRICES)
    offer = verdict.cheapest
    assert offer is not None
    assert (offer.instance_type, offer.nodes) == ("t3a.medium", 1)
    assert offer.month == pytest.approx(0.0376 * 730 + 20 * 0.08)


def test_there_is_no_offer_for_what_no_node_holds() -> None:
    assert report({"dev": [workload("app", "64Gi")]}, CLUSTER, PRICES).cheapest is None


def test_an_unknown_instance_type_is_named_with_the_known_ones() -> None:
    unknown = replace(CLUSTER, groups=(replace(GROUP, instance_type="t9.huge"),))
    with pytest.raises(InputError, match=r"no instance type 't9.huge' .* t3.small"):
        report({}, unknown, PRICES)


def test_nothing_at_all_fits() -> None:
    assert report({}, CLUSTER, PRICES).fits
