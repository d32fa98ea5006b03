"""What a newcomer should see of the nodes, and what another figure means."""

from dataclasses import replace
from pathlib import Path

import pytest

from ci.platform.capacity import load_cluster, load_prices
from ci.platform.capacity.gather import CLUSTER, PRICES
from ci.platform.capacity.offered import offered

ROOT = Path(__file__).parents[4]
CLUSTER_FILE = load_cluster(ROOT / CLUSTER)
PRICE_TABLE = load_prices(ROOT / PRICES)
COUNT = CLUSTER_FILE.groups[0].desired


def test_it_says_what_this_trees_nodes_offer() -> None:
    (nodes,) = offered(CLUSTER_FILE, PRICE_TABLE)
    assert nodes.text == (
        f"{COUNT} nodes with about 1319 MiB and 110 pods each; 575 MiB of each are kept for its"
        " kubelet, and 476 would mean that kubeReserved did not arrive; 11 pods mean that the node"
        " group was made before the VPC CNI had its prefixes: make it again"
    )


def test_it_says_nothing_of_settings_that_the_file_does_not_make() -> None:
    plain = replace(CLUSTER_FILE.groups[0], kube_reserved=None)
    cluster = replace(CLUSTER_FILE, groups=(plain,), addons={})
    (nodes,) = offered(cluster, PRICE_TABLE)
    assert nodes.text == f"{COUNT} nodes with about 1418 MiB and 11 pods each"
    assert nodes.fault(476, 11) is None


@pytest.mark.parametrize(
    ("kept", "pods", "fault"),
    [
        (575, 110, None),
        (476, 110, "keeps 476 MiB for its kubelet, not 575: kubeReserved did not arrive"),
        (575, 11, "takes 11 pods, not 110: the node group was made before"),
    ],
)
def test_it_says_which_setting_did_not_arrive(kept: int, pods: int, fault: str | None) -> None:
    (nodes,) = offered(CLUSTER_FILE, PRICE_TABLE)
    said = nodes.fault(kept, pods)
    assert said is None if fault is None else fault in str(said)
