"""What eksctl refuses although each field alone is valid: its rules across fields, for our fields.

A schema can't say them. Read in eksctl's source, commit 99984ad of 2026-08-21; each function names
the one of `pkg/apis/eksctl.io/v1alpha5/validation.go` (or another file) whose rules it has, in the
same order. Rules about fields that `eksctl.schema.yaml` does not admit are left out, since a file
with such a field fails there already.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LOG_TYPES = {"api", "audit", "authenticator", "controllerManager", "scheduler", "all", "*"}
RETENTION_DAYS = {1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1827, 3653}
AGENT = "eks-pod-identity-agent"
_LABEL = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?)?")


def refusals(config: dict[str, Any]) -> list[str]:
    """The sentences with which `eksctl create cluster --config-file` would refuse a file."""
    found: list[str] = []
    for rules in CLUSTER_RULES:
        found += rules(config)
    for index, group in enumerate(config.get("managedNodeGroups", ())):
        for group_rules in GROUP_RULES:
            found += group_rules(f"managedNodeGroups[{index}]", group)
    return found


def names(config: dict[str, Any]) -> Iterator[str]:
    """ValidateClusterConfig: names of node groups are set and unique."""
    given = [group.get("name") for group in config.get("managedNodeGroups", ())]
    for name in sorted({str(name) for name in given if given.count(name) > 1}):
        yield f"managedNodeGroups name {name} is not unique"


def logging(config: dict[str, Any]) -> Iterator[str]:
    """validateCloudWatchLogging."""
    described = config.get("cloudWatch", {}).get("clusterLogging", {})
    types, days = described.get("enableTypes", []), described.get("logRetentionInDays", 0)
    if days and not types:
        yield "cannot set cloudWatch.clusterLogging.logRetentionInDays without enabling log types"
    for unknown in [one for one in types if one not in LOG_TYPES]:
        yield f"log type {unknown} is unknown"
    if days and days not in RETENTION_DAYS:
        yield f"invalid value {days} for logRetentionInDays"


def zones(config: dict[str, Any]) -> Iterator[str]:
    """validateAvailabilityZones; and SelectNodeGroupSubnets (pkg/vpc/vpc.go), which finds no subnet
    for a group's zone outside the cluster's."""
    listed = config.get("availabilityZones", [])
    if len(listed) == 1:
        yield f"only 1 zone(s) specified {listed}, 2 are required"
    for group in config.get("managedNodeGroups", ()):
        for zone in group.get("availabilityZones", ()):
            if listed and zone not in listed:
                yield f"node group {group['name']} is in {zone}, where the cluster has no subnet"


def network(config: dict[str, Any]) -> Iterator[str]:
    """ValidateVPCConfig, ValidateClusterEndpointConfig, validateCIDRs."""
    vpc = config.get("vpc", {})
    endpoints = vpc.get("clusterEndpoints")
    if endpoints is not None and not any(
        endpoints.get(name) for name in ("publicAccess", "privateAccess")
    ):
        yield "Kubernetes API access must have one of public or private clusterEndpoints enabled"
    for text in vpc.get("publicAccessCIDRs", ()):
        try:
            # Go's net.ParseCIDR wants the length, and takes host bits.
            ipaddress.ip_network(text if "/" in text else "", strict=False)
        except ValueError:
            yield f"invalid CIDR address: {text}"


def pod_identities(config: dict[str, Any]) -> Iterator[str]:
    """validatePodIdentityAssociations and NewCreateClusterLoader (pkg/ctl/cmdutils)."""
    associations = config.get("iam", {}).get("podIdentityAssociations", [])
    addons = config.get("addons", [])
    automatic = config.get("addonsConfig", {}).get("autoApplyPodIdentityAssociations", False)
    wanted = associations or (
        addons
        and (automatic or any(one.get("useDefaultPodIdentityAssociations") for one in addons))
    )
    if wanted and AGENT not in [addon["name"] for addon in addons]:
        yield f"the {AGENT!r} addon must be installed to create pod identity associations"
    for index, one in enumerate(associations):
        path = f"iam.podIdentityAssociations[{index}]"
        for field in ("namespace", "serviceAccountName"):
            if not one.get(field):
                yield f"{path}.{field} must be set"
        rights = [
            field
            for field, value in one.items()
            if field in ("permissionPolicy", "permissionPolicyARNs", "wellKnownPolicies")
            and any(value.values() if isinstance(value, dict) else value)
        ]
        if not rights and not one.get("roleARN"):
            yield f"at least one of roleARN, permissionPolicy, … must be specified: {path}"
        if rights and one.get("roleARN"):
            yield f"{path}.{rights[0]} cannot be specified when {path}.roleARN is set"


def addons(config: dict[str, Any]) -> Iterator[str]:
    """Addon.Validate (addon.go): the values are JSON or strict YAML, of an object."""
    for addon in config.get("addons", ()):
        try:
            values = yaml.safe_load(addon.get("configurationValues", "{}"))
        except yaml.YAMLError:
            values = None
        if not isinstance(values, dict):
            yield f"invalid configuration for {addon['name']!r} addon: configurationValues"


def base(path: str, group: dict[str, Any]) -> Iterator[str]:
    """validateNodeGroupBase and validateNodeGroupIAMWithAddonPolicies."""
    if group.get("volumeEncrypted") and "volumeSize" not in group:
        yield f"{path}.volumeEncrypted cannot be set without {path}.volumeSize"
    policies = group.get("iam", {}).get("withAddonPolicies", {})
    if group.get("disablePodIMDS") and any(policies.values()):
        yield (
            f"{path}.disablePodIMDS and {path}.iam.withAddonPolicies cannot be set at the same time"
        )


def size(path: str, group: dict[str, Any]) -> Iterator[str]:
    """ValidateManagedNodeGroup, sizes and updateConfig, with the defaults that it sets."""
    desired = group.get("desiredCapacity")
    least = group.get("minSize", 2 if desired is None else desired)
    most = group.get("maxSize", (least if desired is None else desired) or 1)
    if desired is not None and desired < least:
        yield f"cannot use --nodes-min={least} and --nodes={desired} at the same time"
    if desired is not None and desired > most:
        yield f"cannot use --nodes-max={most} and --nodes={desired} at the same time"
    elif most < least:
        yield f"cannot use --nodes-min={least} and --nodes-max={most} at the same time"
    if "updateConfig" in group:
        given = group["updateConfig"].get("maxUnavailable")
        if given is None:
            yield f"invalid UpdateConfig: maxUnavailable must be defined ({path})"
        elif given > most:
            yield f"maxUnavailable={given} cannot be greater than maxSize={most}"


def instances(path: str, group: dict[str, Any]) -> Iterator[str]:
    """ValidateManagedNodeGroup, instance types, labels and the bootstrap command."""
    if group.get("instanceType") and group.get("instanceTypes"):
        yield f"only one of instanceType or instanceTypes can be specified ({path})"
    for label, value in group.get("labels", {}).items():
        prefix = label.rpartition("/")[0]
        if re.search(r"(^|\.)(kubernetes|k8s)\.io$", prefix):
            yield f"the following nodegroup labels are disallowed: {label}"
        if len(value) > 63 or not _LABEL.fullmatch(value):
            yield f"label {label!r} has invalid value {value!r}"
    command = group.get("overrideBootstrapCommand")
    if command is not None and group.get("amiFamily", "AmazonLinux2023") != "AmazonLinux2023":
        yield f"{path}.overrideBootstrapCommand can only be set when a custom AMI is specified"
    # stringToNodeConfig (pkg/nodebootstrap/al2023.go).
    if command is not None and not isinstance(yaml.safe_load(command), dict):
        yield 'unmarshalling "overrideBootstrapCommand" into "nodeadm.NodeConfig"'


def repair(path: str, group: dict[str, Any]) -> Iterator[str]:
    """NodeGroupNodeRepairConfig (types.go): a percentage or a count, not both; EKS refuses it."""
    config = group.get("nodeRepairConfig", {})
    for field in ("maxUnhealthyNodeThreshold", "maxParallelNodesRepaired"):
        if f"{field}Percentage" in config and f"{field}Count" in config:
            yield f"{path}.nodeRepairConfig: only one of {field}Percentage and {field}Count"


CLUSTER_RULES: tuple[Callable[[dict[str, Any]], Iterator[str]], ...] = (
    names,
    logging,
    zones,
    network,
    pod_identities,
    addons,
)
GROUP_RULES: tuple[Callable[[str, dict[str, Any]], Iterator[str]], ...] = (
    base,
    size,
    instances,
    repair,
)
