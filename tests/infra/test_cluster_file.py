"""What eksctl's file promises, and that it uses documented fields only."""

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from ci.platform.capacity import load_cluster
from ci.platform.capacity.nodes import pods_covered, reserved_cpu, reserved_memory
from tests.infra.eksctl_rules import refusals

ROOT = Path(__file__).parents[2]
FILE = ROOT / "infra/eksctl/cluster.yaml"
SCHEMA: Any = yaml.safe_load((Path(__file__).parent / "eksctl.schema.yaml").read_text("utf-8"))
DESCRIBED: Any = yaml.safe_load(FILE.read_text(encoding="utf-8"))
(GROUP,) = DESCRIBED["managedNodeGroups"]
NODE_CONFIG: Any = yaml.safe_load(GROUP["overrideBootstrapCommand"])
ADDONS = load_cluster(FILE).addons


def test_it_uses_documented_fields_only_and_eksctl_takes_them_together() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(DESCRIBED, SCHEMA)
    assert refusals(DESCRIBED) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("managedNodeGroup",), []),
        (("managedNodeGroups", 0, "maxPods"), 30),
        (("managedNodeGroups", 0, "kubeletExtraConfig"), {}),
        (("metadata", "version"), 1.32),
        (("availabilityZones",), ["us-east-1a"]),
    ],
)
def test_the_schema_refuses_what_eksctl_would(path: tuple[Any, ...], value: Any) -> None:
    changed: Any = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(changed, SCHEMA)


def test_cluster_and_nodes_have_the_names_that_users_know() -> None:
    assert (DESCRIBED["metadata"]["name"], GROUP["name"]) == ("my-cluster", "my-nodes")
    assert GROUP["minSize"] <= GROUP["desiredCapacity"] <= GROUP["maxSize"]


def test_nodes_stay_in_one_zone_and_the_control_plane_has_two() -> None:
    assert len(GROUP["availabilityZones"]) == 1
    assert set(GROUP["availabilityZones"]) < set(DESCRIBED["availabilityZones"])


def test_the_nodes_volumes_are_gp3_and_encrypted() -> None:
    assert (GROUP["volumeType"], GROUP["volumeEncrypted"]) == ("gp3", True)


def test_pods_cannot_take_the_nodes_role() -> None:
    assert GROUP["disableIMDSv1"] is True
    assert GROUP["disablePodIMDS"] is True
    assert DESCRIBED["addonsConfig"]["autoApplyPodIdentityAssociations"] is True
    assert "eks-pod-identity-agent" in ADDONS


def test_network_policies_are_enforced_and_addresses_come_in_prefixes() -> None:
    assert ADDONS["vpc-cni"]["enableNetworkPolicy"] == "true"
    assert ADDONS["vpc-cni"]["env"]["ENABLE_PREFIX_DELEGATION"] == "true"


def test_logs_of_the_control_plane_and_of_pods_are_sent_and_forgotten() -> None:
    assert DESCRIBED["cloudWatch"]["clusterLogging"]["logRetentionInDays"] == 14
    assert ADDONS["amazon-cloudwatch-observability"]["containerLogs"]["enabled"] is True


def test_what_has_one_replica_says_so() -> None:
    assert ADDONS["coredns"]["replicaCount"] == 1
    assert ADDONS["metrics-server"]["replicas"] == 1
    assert ADDONS["aws-ebs-csi-driver"]["controller"]["replicaCount"] == 1


def test_the_kubelets_reserve_is_made_for_the_pods_that_a_node_can_get() -> None:
    """The reserve follows Amazon's rule, for the most pods that any placement puts on a node."""
    kubelet = NODE_CONFIG["spec"]["kubelet"]["config"]
    assert NODE_CONFIG["apiVersion"] == "node.eks.aws/v1alpha1"
    assert NODE_CONFIG["kind"] == "NodeConfig"
    reserve = int(kubelet["kubeReserved"]["memory"].removesuffix("Mi"))
    assert reserve == reserved_memory(pods_covered(reserve))
    assert kubelet["kubeReserved"]["cpu"] == f"{reserved_cpu(2)}m"
    assert kubelet["evictionHard"]["memory.available"] == "100Mi"


def test_the_file_sets_no_limit_of_pods_that_would_not_arrive() -> None:
    """EKS appends a NodeConfig with its own maxPods, and nodeadm lets the last value win.

    Source: amazon-eks-ami, nodeadm/internal/api/merge.go, MergeNodeConfigs and
    mergeInlineDocument, which merges with mergo's WithOverride.
    """
    assert "maxPods" not in NODE_CONFIG["spec"]["kubelet"]["config"]
    assert "maxPodsPerNode" not in GROUP


def test_a_lost_node_is_replaced_without_anybody() -> None:
    assert GROUP["nodeRepairConfig"]["enabled"] is True


def test_a_newcomer_is_not_locked_out_of_the_kubernetes_api() -> None:
    assert DESCRIBED["vpc"]["publicAccessCIDRs"] == ["0.0.0.0/0"]
    assert DESCRIBED["vpc"]["clusterEndpoints"]["privateAccess"] is True


def test_the_control_plane_logs_who_asked_for_what() -> None:
    assert DESCRIBED["cloudWatch"]["clusterLogging"]["enableTypes"] == ["audit", "authenticator"]


def test_the_page_names_the_policies_that_eksctl_gives_the_nodes() -> None:
    """eksctl, pkg/cfn/builder/iam_helper.go, makeManagedPolicies, for a managed node group.

    The CNI's policy is among them only because the file does not ask for an OIDC provider.
    """
    assert not DESCRIBED.get("iam", {}).get("withOIDC", False)
    assert "iam" not in GROUP
    page = (ROOT / "docs/aws.md").read_text(encoding="utf-8")
    for policy in (
        "AmazonEKSWorkerNodePolicy",
        "AmazonEC2ContainerRegistryPullOnly",
        "AmazonSSMManagedInstanceCore",
        "AmazonEKS_CNI_Policy",
    ):
        assert f"`{policy}`" in page
