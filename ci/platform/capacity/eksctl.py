"""The described cluster, `infra/eksctl/cluster.yaml`: its node groups and add-ons."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from ci.errors import InputError
from ci.platform.capacity.amounts import Amount, requested
from ci.platform.capacity.nodes import Room, allocatable, architecture

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ci.platform.capacity.nodes import Instance


@dataclass(frozen=True, slots=True)
class NodeGroup:
    """A managed node group.

    Attributes:
        name: as described.
        instance_type: as described; the first of several, which should be of one size.
        desired: how many nodes.
        zones: the availability zones its nodes may be in.
        volume_gb: a node's own volume.
        kube_reserved: the kubelet's, or None where the group doesn't say. A `maxPods` or
            `maxPodsPerNode` is not read: EKS's own wins over it (`ci.platform.capacity.nodes`).
        spot: whether its nodes are spot instances.
    """

    name: str
    instance_type: str
    desired: int
    zones: tuple[str, ...]
    volume_gb: int = 80
    kube_reserved: Amount | None = None
    spot: bool = False

    def room(self, instance: Instance, *, prefixes: bool) -> Room:
        """What a node of this group offers to pods, were it of this instance type."""
        return allocatable(instance, kube_reserved=self.kube_reserved, prefixes=prefixes)


@dataclass(frozen=True, slots=True)
class EksCluster:
    """The cluster.

    Attributes:
        name, region, version: as described.
        groups: its node groups.
        zones: the availability zones of its network, where load balancers are.
        addons: the values each add-on is configured with, by its name.
        nat_gateways: how many NAT gateways its network has.
        logs: what the control plane sends to CloudWatch Logs, such as `audit`.
    """

    name: str
    region: str
    version: str
    groups: tuple[NodeGroup, ...]
    zones: tuple[str, ...] = ()
    addons: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    nat_gateways: int = 0
    logs: tuple[str, ...] = ()

    @property
    def architecture(self) -> str:
        """What its nodes run, in the words of image platforms: `amd64` or `arm64`.

        Raises:
            InputError: its groups differ, so that no one image runs on all nodes.
        """
        found = {group.name: architecture(group.instance_type) for group in self.groups}
        if len(set(found.values())) != 1:
            kinds = ", ".join(f"{name} {kind}" for name, kind in found.items()) or "no node group"
            raise InputError(
                f"the nodes of cluster {self.name} are of no one architecture: {kinds}",
                hint="Give every node group of infra/eksctl/cluster.yaml instance types of one.",
            )
        return found.popitem()[1]

    @property
    def audited(self) -> bool:
        """Whether the control plane logs every request to the Kubernetes API."""
        return bool({"audit", "all", "*"} & set(self.logs))

    @property
    def prefixes(self) -> bool:
        """Whether the VPC CNI delegates prefixes."""
        values = self.addons.get("vpc-cni", {})
        return str(values.get("env", {}).get("ENABLE_PREFIX_DELEGATION", "false")) == "true"


# eksctl, "NAT gateway" of VPC configuration; Single is the default.
_NAT_GATEWAYS = {"Disable": 0, "Single": 1, "HighlyAvailable": 3}


def load_cluster(path: Path) -> EksCluster:
    """Read eksctl's file.

    Raises:
        InputError: it is missing, not YAML, or lacks what is needed here.
    """
    try:
        described: Any = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
        metadata = described["metadata"]
        if not described.get("managedNodeGroups"):
            raise InputError(f"{path} describes no managedNodeGroups, so there is nothing to fill")
        zones = tuple(described.get("availabilityZones", ()))
        return EksCluster(
            name=metadata["name"],
            region=metadata["region"],
            version=str(metadata["version"]),
            groups=tuple(_group(one, zones) for one in described["managedNodeGroups"]),
            zones=zones,
            addons={
                addon["name"]: yaml.safe_load(addon.get("configurationValues", "{}"))
                for addon in described.get("addons", ())
            },
            nat_gateways=_NAT_GATEWAYS[
                described.get("vpc", {}).get("nat", {}).get("gateway", "Single")
            ],
            logs=tuple(
                described.get("cloudWatch", {}).get("clusterLogging", {}).get("enableTypes", ())
            ),
        )
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is not an eksctl cluster: {error!r}") from error


def _group(described: Mapping[str, Any], zones: tuple[str, ...]) -> NodeGroup:
    bootstrap = yaml.safe_load(described.get("overrideBootstrapCommand") or "{}")
    kubelet = bootstrap.get("spec", {}).get("kubelet", {}).get("config", {})
    reserved = kubelet.get("kubeReserved")
    return NodeGroup(
        name=described["name"],
        instance_type=described.get("instanceType") or described["instanceTypes"][0],
        # eksctl's own default is the minimum, and of that 2.
        desired=int(described.get("desiredCapacity", described.get("minSize", 2))),
        zones=tuple(described.get("availabilityZones", zones)),
        volume_gb=int(described.get("volumeSize", 80)),
        kube_reserved=requested({"requests": reserved}) if reserved else None,
        spot=bool(described.get("spot", False)),
    )
