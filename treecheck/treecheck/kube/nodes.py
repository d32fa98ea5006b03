"""The nodes that a cluster has: those that the facts describe, else eksctl's ClusterConfig.

A group's labels are those that it is described with, and the well-known ones that follow: the
region, the zones, the operating system, the instance type. Of any other label nothing is known
where its domain is not one that the descriptions use: a controller may set it.
Sources: https://docs.aws.amazon.com/eks/latest/eksctl/schema.html,
https://kubernetes.io/docs/reference/labels-annotations-taints/.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from treecheck.model import as_list, as_mapping, as_text, at

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from treecheck.cluster import Cluster
    from treecheck.model import Manifest, PodTemplate

ZONE, HOST = "topology.kubernetes.io/zone", "kubernetes.io/hostname"
REGION, INSTANCE = "topology.kubernetes.io/region", "node.kubernetes.io/instance-type"
OS, ARCH = "kubernetes.io/os", "kubernetes.io/arch"
# Keeps a pod away from a node; PreferNoSchedule does not.
KEEPS_AWAY = {"NoSchedule", "NoExecute"}
# Kinds that make nodes of their own when pods wait.
MAKERS = ("NodePool", "Provisioner", "MachineDeployment", "MachineSet", "EC2NodeClass")


@dataclass(frozen=True, slots=True)
class NodesAlike:
    """Nodes that are alike.

    Attributes:
        name: what messages call it.
        labels: label -> the values that a node of it may have.
        taints: (key, value, effect) of each.
        most: how many there may be, or None where that is not known.
        domains: the domains of labels that any group is described with, "" for none.
    """

    name: str
    labels: dict[str, frozenset[str]]
    taints: tuple[tuple[str, str, str], ...]
    most: int | None
    domains: frozenset[str]

    def meets(self, expression: Manifest) -> bool | None:
        """Whether a node meets a node selector's requirement; None where that is not known."""
        key, operator = as_text(expression.get("key")), expression.get("operator")
        values = self.labels.get(key)
        wanted = set(map(str, as_list(expression.get("values"))))
        if values is None:
            domain = key.rpartition("/")[0]
            if domain not in self.domains or key in {HOST, ZONE, REGION, INSTANCE, OS, ARCH}:
                return None
            return operator in {"NotIn", "DoesNotExist"}
        found = {
            "In": bool(values & wanted),
            "NotIn": bool(values - wanted),
            "Exists": True,
            "DoesNotExist": False,
        }
        return found.get(as_text(operator))

    def lets_in(self, pod: PodTemplate) -> bool:
        """Whether a pod tolerates the group's taints."""
        tolerations = [as_mapping(each) for each in as_list(pod.spec.get("tolerations"))]
        return all(
            any(tolerates(each, taint) for each in tolerations)
            for taint in self.taints
            if taint[2] in KEEPS_AWAY
        )


def shown_taint(taint: Sequence[str]) -> str:
    """A taint as kubectl writes it: `key=value:NoSchedule`."""
    key, value, effect = taint
    return (f"{key}={value}" if value else key) + (f":{effect}" if effect else "")


def tolerates(toleration: Manifest, taint: tuple[str, str, str]) -> bool:
    """Whether a toleration tolerates a taint (key, value, effect)."""
    key, value, effect = taint
    named = as_text(toleration.get("key"))
    if toleration.get("effect") not in {None, "", effect}:
        return False
    if toleration.get("operator") == "Exists":
        return named in {"", key}
    return named == key and as_text(toleration.get("value")) == value


def node_groups(cluster: Cluster) -> list[NodesAlike]:
    """The groups of a cluster's nodes; empty where they are not known."""
    if cluster.facts.knows("nodes"):
        return _with_domains([_of_facts(each) for each in cluster.facts.nodes])
    described = list(cluster.of_kind("ClusterConfig"))
    if len(described) != 1 or any(cluster.of_kind(*MAKERS)):
        return []
    body = described[0].body
    if any(body.get(each) for each in ("autoModeConfig", "karpenter", "fargateProfiles")):
        return []
    region = as_text(as_mapping(body.get("metadata")).get("region"))
    return _with_domains([_of_eksctl(each, body, region) for each in _eksctl_groups(body)])


def taints_of(cluster: Cluster) -> Iterator[tuple[str, tuple[str, str, str]]]:
    """(what messages call the nodes, taint) of the taints that the tree or the facts give nodes."""
    pools = [(f"NodePool {each.name}", each.spec) for each in cluster.of_kind("NodePool")]
    described: list[tuple[str, Any]] = [
        (name, as_list(at(spec, "template", "spec", field)))
        for name, spec in pools
        for field in ("taints", "startupTaints")
    ]
    groups = [*cluster.facts.nodes]
    for config in cluster.of_kind("ClusterConfig"):
        groups += _eksctl_groups(config.body)
    described += [(f"node group {each.get('name')}", each.get("taints")) for each in groups]
    for name, value in described:
        for taint in _taints(value):
            yield name, taint


def is_declared(cluster: Cluster, key: str, values: list[str]) -> bool:
    """Whether the tree or the facts give some node a label, with one of some values."""
    nodes = [*cluster.of_kind("Node"), *cluster.of_kind("NodePool")]
    labels = [each.labels for each in nodes]
    labels += [as_mapping(at(each.spec, "template", "metadata", "labels")) for each in nodes]
    labels += [as_mapping(each.get("labels")) for each in cluster.facts.nodes]
    for described in cluster.of_kind("ClusterConfig"):
        labels += [as_mapping(each.get("labels")) for each in _eksctl_groups(described.body)]
    return any(key in own and (not values or str(own[key]) in values) for own in labels)


def _with_domains(groups: list[NodesAlike]) -> list[NodesAlike]:
    known = frozenset().union(*(each.domains for each in groups))
    return [replace(each, domains=known) for each in groups]


def _eksctl_groups(body: Manifest) -> Iterator[Manifest]:
    for field in ("managedNodeGroups", "nodeGroups"):
        yield from map(as_mapping, as_list(body.get(field)))


def _of_facts(entry: Manifest) -> NodesAlike:
    labels = _own(entry)
    zones = [as_text(each) for each in as_list(entry.get("zones"))]
    if zones:
        labels[ZONE] = frozenset(zones)
    hosts = [as_text(each) for each in as_list(entry.get("hostnames"))]
    if hosts:
        labels[HOST] = frozenset(hosts)
    count = entry.get("count", len(hosts) or None)
    return _group(entry, labels, count if isinstance(count, int) else None)


def _of_eksctl(entry: Manifest, body: Manifest, region: str) -> NodesAlike:
    labels = _own(entry)
    zones = as_list(entry.get("availabilityZones")) or as_list(body.get("availabilityZones"))
    types = as_list(entry.get("instanceTypes")) or [entry.get("instanceType")]
    windows = as_text(entry.get("amiFamily")).startswith("Windows")
    labels[OS] = frozenset({"windows" if windows else "linux"})
    for key, values in ((ZONE, zones), (INSTANCE, types), (REGION, [region])):
        known = frozenset(filter(None, map(as_text, values)))
        if known:
            labels[key] = known
    counts = [entry.get(each) for each in ("maxSize", "desiredCapacity")]
    sizes = [each for each in counts if isinstance(each, int)]
    return _group(entry, labels, max(sizes, default=None))


def _own(entry: Manifest) -> dict[str, frozenset[str]]:
    """The labels that a group is described with."""
    return {key: frozenset({str(v)}) for key, v in as_mapping(entry.get("labels")).items()}


def _group(entry: Manifest, labels: dict[str, frozenset[str]], most: int | None) -> NodesAlike:
    own = as_mapping(entry.get("labels"))
    domains = frozenset({"", *(key.rpartition("/")[0] for key in own)})
    return NodesAlike(
        as_text(entry.get("name")), labels, _taints(entry.get("taints")), most, domains
    )


def _taints(value: Any) -> tuple[tuple[str, str, str], ...]:
    """Taints as eksctl writes them: a list of mappings, or key -> `value:effect`; as texts too."""
    if isinstance(value, dict):
        value = [f"{key}={text}" for key, text in value.items()]
    found: list[tuple[str, str, str]] = []
    for each in as_list(value):
        if isinstance(each, dict):
            parts = (each.get("key"), each.get("value"), each.get("effect"))
            key, text, effect = map(as_text, parts)
        else:
            left, _, effect = as_text(each).rpartition(":")
            key, _, text = left.partition("=")
        found.append((key, text, effect))
    return tuple(found)
