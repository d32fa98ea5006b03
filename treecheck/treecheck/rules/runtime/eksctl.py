"""The ClusterConfig that eksctl makes a cluster of, against itself and the tree."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from treecheck.errors import InputError
from treecheck.model import Problem, as_mapping, as_text, at, each
from treecheck.reading import read_documents
from treecheck.registry import rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import Resource

GROUPS = ("managedNodeGroups", "nodeGroups")
POLICIES = "enableNetworkPolicy"
# Policies of Cilium and Calico, which enforce Kubernetes' own too.
OTHERS = ("CiliumNetworkPolicy", "CiliumClusterwideNetworkPolicy", "GlobalNetworkPolicy")


@rule(
    "node-group-size",
    kinds=("ClusterConfig",),
    source="https://docs.aws.amazon.com/autoscaling/ec2/userguide/asg-capacity-limits.html",
)
def node_group_size(resource: Resource, _: Cluster) -> Iterator[Problem]:
    """A node group whose sizes contradict each other.

    AWS refuses a group that wants more nodes than its maximum, or fewer than its minimum, and the
    cluster's stack is rolled back.
    """
    for field in GROUPS:
        for place, group in each(resource, field):
            sizes = [
                (name, group[name])
                for name in ("minSize", "desiredCapacity", "maxSize")
                if isinstance(group.get(name), int)
            ]
            for (lower, least), (upper, most) in itertools.pairwise(sizes):
                if least > most:
                    yield Problem(
                        f"node group {group.get('name')} has {lower} {least} and {upper} {most}: "
                        "AWS refuses it",
                        fix=f"Set {lower} to {most} or less, or {upper} to {least} or more.",
                        path=(*place, lower),
                    )


@rule(
    "network-policies-off",
    kinds=("ClusterConfig",),
    source="https://docs.aws.amazon.com/eks/latest/userguide/cni-network-policy-configure.html",
)
def network_policies_off(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A cluster that is told not to enforce the NetworkPolicies that the tree has.

    The API server accepts them all the same, and every pod is reached by every other. AWS's network
    plugin enforces them once its add-on is given `enableNetworkPolicy: "true"`.
    """
    policy = next(iter(cluster.of_kind("NetworkPolicy")), None)
    if policy is None or any(cluster.of_kind(*OTHERS)):
        return
    for place, addon in each(resource, "addons"):
        if addon.get("name") == "vpc-cni" and _is_off(as_text(addon.get("configurationValues"))):
            yield Problem(
                f'the add-on vpc-cni has {POLICIES} "false", so nothing enforces '
                f"{policy.title} and the other NetworkPolicies",
                fix=f'Set {POLICIES}: "true".',
                path=(*place, "configurationValues"),
            )


def _is_off(values: str) -> bool:
    """Whether the add-on's values, YAML or JSON, switch the enforcement off."""
    try:
        documents = read_documents(values, "the values of vpc-cni")
    except InputError:
        return False
    found = [at(as_mapping(one.value), POLICIES) for one in documents]
    return any(str(value).lower() == "false" for value in found)
