"""eksctl's rules across fields: each refuses the mistake that it is for."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.infra.eksctl_rules import refusals

ROOT = Path(__file__).parents[2]
DESCRIBED: Any = yaml.safe_load((ROOT / "infra/eksctl/cluster.yaml").read_text(encoding="utf-8"))
# A tree with one more environment has more of them.
NODES: int = DESCRIBED["managedNodeGroups"][0]["desiredCapacity"]
MOST: int = DESCRIBED["managedNodeGroups"][0]["maxSize"]
AUTOSCALER = {"namespace": "kube-system", "serviceAccountName": "a"}
RIGHTS = {"wellKnownPolicies": {"autoScaler": True}}


def of_cluster(**fields: Any) -> dict[str, Any]:
    return copy.deepcopy(DESCRIBED) | fields


def of_group(**fields: Any) -> dict[str, Any]:
    described = copy.deepcopy(DESCRIBED)
    described["managedNodeGroups"][0].update(fields)
    return described


@pytest.mark.parametrize(
    ("described", "sentence"),
    [
        (
            of_group(iam={"withAddonPolicies": {"autoScaler": True}}),
            "disablePodIMDS and managedNodeGroups[0].iam.withAddonPolicies cannot be set",
        ),
        (of_group(minSize=NODES + 1), f"cannot use --nodes-min={NODES + 1} and --nodes={NODES}"),
        (
            of_group(desiredCapacity=MOST + 1),
            f"cannot use --nodes-max={MOST} and --nodes={MOST + 1}",
        ),
        (
            of_group(updateConfig={"maxUnavailable": MOST + 1}),
            f"maxUnavailable={MOST + 1} cannot be greater",
        ),
        (of_group(updateConfig={}), "invalid UpdateConfig"),
        (of_group(instanceTypes=["t3a.small"]), "only one of instanceType or instanceTypes"),
        (of_group(labels={"node.kubernetes.io/role": "a"}), "labels are disallowed"),
        (of_group(labels={"role": "a b"}), "has invalid value"),
        (of_group(amiFamily="AmazonLinux2"), "overrideBootstrapCommand can only be set"),
        (of_group(overrideBootstrapCommand="#!/bin/bash"), "unmarshalling"),
        (of_group(availabilityZones=["us-east-1f"]), "where the cluster has no subnet"),
        (
            of_group(
                nodeRepairConfig={
                    "maxParallelNodesRepairedCount": 1,
                    "maxParallelNodesRepairedPercentage": 1,
                }
            ),
            "only one of maxParallelNodesRepairedPercentage",
        ),
        (of_cluster(managedNodeGroups=DESCRIBED["managedNodeGroups"] * 2), "is not unique"),
        (of_cluster(availabilityZones=["us-east-1a"]), "only 1 zone(s) specified"),
        (of_cluster(vpc={"publicAccessCIDRs": ["203.0.113.7"]}), "invalid CIDR address"),
        (of_cluster(vpc={"publicAccessCIDRs": ["office"]}), "invalid CIDR address"),
        (of_cluster(vpc={"clusterEndpoints": {"publicAccess": False}}), "must have one of public"),
        (of_cluster(cloudWatch={"clusterLogging": {"enableTypes": ["audits"]}}), "is unknown"),
        (of_cluster(cloudWatch={"clusterLogging": {"logRetentionInDays": 14}}), "without enabling"),
        (
            of_cluster(
                cloudWatch={"clusterLogging": {"enableTypes": ["api"], "logRetentionInDays": 10}}
            ),
            "invalid value 10",
        ),
        (of_cluster(addons=[{"name": "vpc-cni"}]), "'eks-pod-identity-agent' addon must be"),
        (
            of_cluster(addons=[{"name": "eks-pod-identity-agent", "configurationValues": "a: ["}]),
            "invalid configuration for 'eks-pod-identity-agent'",
        ),
        (of_cluster(iam={"podIdentityAssociations": [AUTOSCALER]}), "at least one of roleARN"),
        (
            of_cluster(iam={"podIdentityAssociations": [RIGHTS | {"namespace": "kube-system"}]}),
            "serviceAccountName must be set",
        ),
        (
            of_cluster(iam={"podIdentityAssociations": [AUTOSCALER | RIGHTS | {"roleARN": "arn"}]}),
            "wellKnownPolicies cannot be specified when",
        ),
    ],
)
def test_it_refuses(described: dict[str, Any], sentence: str) -> None:
    assert len([one for one in refusals(described) if sentence in one]) == 1


def test_addon_policies_are_fine_where_pods_may_take_the_nodes_role() -> None:
    policies = {"withAddonPolicies": {"autoScaler": True}}
    assert refusals(of_group(iam=policies, disablePodIMDS=False)) == []
    assert refusals(of_group(iam={"withAddonPolicies": {"autoScaler": False}})) == []


def test_the_rights_of_a_service_account_are_taken() -> None:
    associations = {"podIdentityAssociations": [AUTOSCALER | RIGHTS]}
    assert refusals(of_cluster(iam=associations)) == []
