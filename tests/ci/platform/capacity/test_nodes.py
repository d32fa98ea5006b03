"""What a node has left for pods, by Amazon's published rules."""

import gzip
import json
from pathlib import Path
from typing import Any

import moto
import pytest

from ci.errors import InputError
from ci.platform.capacity import load_prices
from ci.platform.capacity.amounts import Amount
from ci.platform.capacity.eksctl import EksCluster, NodeGroup
from ci.platform.capacity.nodes import (
    Instance,
    Room,
    allocatable,
    architecture,
    pods_by_interfaces,
    reserved_cpu,
    reserved_memory,
)

ROOT = Path(__file__).parents[4]
T3_SMALL = Instance("t3.small", 2, 2048, 3, 4)
T3_MEDIUM = Instance("t3.medium", 2, 4096, 3, 6)


def test_a_t3_small_as_it_comes_offers_what_eks_shows() -> None:
    assert allocatable(T3_SMALL) == Room(cpu=1930, memory=1418, pods=11, covered=11)


def test_a_t3_medium_as_it_comes_offers_what_eks_shows() -> None:
    assert allocatable(T3_MEDIUM) == Room(cpu=1930, memory=3246, pods=17, covered=17)


def test_prefixes_lift_the_limit_of_pods_up_to_110() -> None:
    assert pods_by_interfaces(T3_SMALL, prefixes=True) == 110
    assert pods_by_interfaces(Instance("tiny", 2, 512, 1, 2), prefixes=True) == 18


def test_prefixes_lift_the_limit_of_pods_and_not_the_default_reserve() -> None:
    """nodeadm computes its reserve from the plain addresses (nodeadm/internal/kubelet/config.go,
    withDefaultReservedResources): 11 pods, while EKS lets 110 come."""
    room = allocatable(T3_SMALL, prefixes=True)
    assert room == Room(cpu=1930, memory=1418, pods=110, covered=11)


def test_a_reserve_set_by_hand_changes_what_it_is_made_for_and_not_the_limit() -> None:
    room = allocatable(T3_SMALL, kube_reserved=Amount(70, 475), prefixes=True)
    assert room == Room(cpu=1930, memory=1319, pods=110, covered=20)
    assert reserved_memory(room.covered) == 475


@pytest.mark.parametrize(("vcpu", "millicores"), [(1, 60), (2, 70), (4, 80), (8, 90), (96, 310)])
def test_the_reserved_cpu_follows_the_tiers(vcpu: int, millicores: int) -> None:
    assert reserved_cpu(vcpu) == millicores


def described_by_aws() -> dict[str, Any]:
    """The answers of DescribeInstanceTypes that moto carries: a second source for the facts."""
    path = Path(moto.__file__).parent / "ec2/resources/instance_types.json.gz"
    described: dict[str, Any] = json.loads(gzip.decompress(path.read_bytes()))
    return described


def test_the_price_table_knows_the_sizes_that_aws_describes() -> None:
    described = described_by_aws()
    for name, instance in load_prices(ROOT / "infra/prices.yaml").instances.items():
        network = described[name]["NetworkInfo"]
        assert instance.vcpu == described[name]["VCpuInfo"]["DefaultVCpus"], name
        assert instance.memory_mib == described[name]["MemoryInfo"]["SizeInMiB"], name
        assert instance.enis == network["MaximumNetworkInterfaces"], name
        assert instance.ips_per_eni == network["Ipv4AddressesPerInterface"], name
        assert described[name]["ProcessorInfo"]["SupportedArchitectures"] == ["x86_64"], name


def test_the_architecture_is_in_the_name_of_every_type() -> None:
    kinds = {"x86_64": "amd64", "arm64": "arm64"}
    seen = set()
    for name, described in described_by_aws().items():
        found = [
            one for one in described["ProcessorInfo"]["SupportedArchitectures"] if one in kinds
        ]
        if found:  # not a Mac
            assert architecture(name) == kinds[found[-1]], name
            seen.add(architecture(name))
    assert seen == {"amd64", "arm64"}


def test_a_cluster_of_two_architectures_has_none_for_an_image() -> None:
    groups = tuple(NodeGroup(name, name, 1, ()) for name in ("t3.small", "t4g.small"))
    with pytest.raises(InputError, match=r"no one architecture: t3\.small amd64, t4g\.small arm64"):
        _ = EksCluster("c", "us-east-1", "1.32", groups).architecture
