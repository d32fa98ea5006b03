"""Does a set of NetworkPolicies let one pod reach another?

The semantics are those of the NetworkPolicy API (networking.k8s.io/v1): policies are additive; a
pod that no policy selects for a direction is open in it; a pod that some policy selects is closed
except for what the rules of all its policies allow. A connection needs the client's egress and the
server's ingress. Probes of the node's own kubelet always pass.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from treecheck.cluster import matches
from treecheck.kube.ports import pod_ports
from treecheck.model import as_list, as_mapping, mappings_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from treecheck.cluster import Cluster
    from treecheck.model import Manifest, PodTemplate, Resource

EVERYWHERE = ("0.0.0.0/0", "::/0")
DNS = 53
# A private block of so few fixed bits is wide enough for a cluster's pods, which get one each node.
WIDEST = 20
# Groups of network plugins' own policies, and those of their kinds that are for one namespace.
PLUGINS = ("cilium.io", "crd.antrea.io", "policy.networking.k8s.io", "projectcalico.org")
NAMESPACED = frozenset({"CiliumNetworkPolicy", "NetworkPolicy"})
# What Cilium calls the nodes and what runs on them: https://docs.cilium.io/en/stable/security/policy/
NODES = frozenset({"health", "host", "kube-apiserver", "remote-node"})
DIRECTIONS = {"Egress": ("egress", "to"), "Ingress": ("ingress", "from")}


@dataclass(frozen=True, slots=True)
class Pod:
    """What a policy knows of a pod: its namespace, its labels, and its ports by name."""

    namespace: str
    labels: Mapping[str, str]
    ports: Mapping[str, int]

    @classmethod
    def of(cls, template: PodTemplate) -> Pod:
        """The pod that a template makes."""
        named = {port.name: port.number for port in pod_ports(template) if port.name}
        return cls(template.owner.namespace, template.labels, named)


class Connection(NamedTuple):
    """From a pod to a port of another one."""

    client: Pod
    server: Pod
    port: int
    protocol: str = "TCP"


class Network:
    """The policies of a cluster, and the labels of its namespaces."""

    def __init__(self, cluster: Cluster) -> None:
        self.policies = list(cluster.of_kind("NetworkPolicy"))
        self._others = [
            each
            for each in cluster.resources
            if each.kind.endswith("NetworkPolicy") and each.group.endswith(PLUGINS)
        ]
        self._generated = any(
            as_mapping(found.get("generate")).get("kind") == "NetworkPolicy"
            for each in cluster.resources
            if each.group == "kyverno.io"
            for found in mappings_in(each.spec)
        )
        self._namespaces = {each.name: each.labels for each in cluster.of_kind("Namespace")}

    def isolating(self, pod: Pod, direction: str) -> list[Resource]:
        """The policies that select `pod` for a direction, "Ingress" or "Egress"."""
        return [
            policy
            for policy in self.policies
            if policy.namespace == pod.namespace
            and direction in policy_types(policy)
            and matches(as_mapping(policy.spec.get("podSelector")), pod.labels)
        ]

    def refusing(self, direction: str, connection: Connection) -> list[Resource]:
        """The policies that close one end of a connection; empty when that end is open.

        Several mean that each of them selects the pod and none of them lets the connection pass.
        """
        near, far = connection.client, connection.server
        if direction == "Ingress":
            near, far = far, near
        if self.may_open(direction, near, far):
            return []
        selecting = self.isolating(near, direction)
        rules_key, peers_key = DIRECTIONS[direction]
        for policy in selecting:
            for rule in map(as_mapping, as_list(policy.spec.get(rules_key))):
                if not port_allowed(as_list(rule.get("ports")), connection):
                    continue
                told = connection.port == DNS and bool(rule.get("ports"))
                if self.is_peer(rule.get(peers_key), policy, far, told=told):
                    return []
        return selecting

    def has_others(self, namespace: str) -> bool:
        """Whether policies that aren't in the tree, or are a plugin's own, may be for a namespace.

        Kyverno makes some by its own policies' `generate`.
        """
        return self._generated or any(
            policy.kind not in NAMESPACED or policy.namespace == namespace
            for policy in self._others
        )

    def may_open(self, direction: str, near: Pod, far: Pod) -> bool:
        """Whether a network plugin's own policy may open one end: it says how it joins the others.

        Cilium's rules for the nodes alone let in no pod, only what comes through a node.
        """
        key, _ = DIRECTIONS[direction]
        for policy in self._others:
            if policy.kind in NAMESPACED and policy.namespace != near.namespace:
                continue
            selector = as_mapping(policy.spec.get("endpointSelector"))
            plain = ":" not in str(selector)  # `k8s:app` has a source before the label's key
            if plain and not matches(selector, near.labels):
                continue
            for rule in map(as_mapping, as_list(policy.spec.get(key))):
                entities = as_list(rule.get("fromEntities")) or as_list(rule.get("toEntities"))
                nodes_alone = entities and far.namespace and {*entities} <= NODES
                if rule and not nodes_alone:  # an empty one only closes
                    return True
        return False

    def is_peer(self, peers: Any, policy: Resource, pod: Pod, *, told: bool = False) -> bool:
        """Whether a rule's list of peers has `pod`; no list, or an empty one, is everybody.

        A block of addresses may have it, if it is wide enough for pods or if the rule is `told` to
        be for the cluster's DNS, which may listen on each node.
        """
        listed = [as_mapping(each) for each in as_list(peers)]
        blocks = [as_mapping(each["ipBlock"]) for each in listed if "ipBlock" in each]
        if blocks and (told or any(self._may_have_pods(each) for each in blocks)):
            return True
        return not listed or any(self._matches_peer(each, policy.namespace, pod) for each in listed)

    def _may_have_pods(self, block: Manifest) -> bool:
        """Whether pods may have addresses of a block: a pod's isn't known before it runs.

        Cilium knows pods by their labels, and never takes one for an address.
        """
        try:
            network = ipaddress.ip_network(str(block.get("cidr")), strict=False)
        except ValueError:
            return True
        wide = network.is_private and network.prefixlen <= WIDEST
        by_labels = any(each.group == "cilium.io" for each in self._others)
        return str(network) in EVERYWHERE or (wide and not by_labels)

    def _matches_peer(self, peer: Manifest, namespace: str, pod: Pod) -> bool:
        if "ipBlock" in peer:
            return False
        if "namespaceSelector" in peer:
            labels = {
                **self._namespaces.get(pod.namespace, {}),
                "kubernetes.io/metadata.name": pod.namespace,
            }
            if not matches(as_mapping(peer["namespaceSelector"]), labels):
                return False
        elif pod.namespace != namespace:
            return False
        return matches(as_mapping(peer.get("podSelector")), pod.labels)


def port_allowed(ports: Iterable[Any], connection: Connection) -> bool:
    """Whether a rule's list of ports has that of a connection; an empty list has all."""
    listed = [as_mapping(port) for port in ports]
    if not listed:
        return True
    for allowed in listed:
        if (allowed.get("protocol") or "TCP") != connection.protocol:
            continue
        first = allowed.get("port")
        if first is None:
            return True
        if isinstance(first, str):
            first = connection.server.ports.get(first)
        if first is not None and first <= connection.port <= allowed.get("endPort", first):
            return True
    return False


def policy_types(policy: Resource) -> list[str]:
    """A policy's directions; unless written: Ingress, and Egress where it has egress rules."""
    written = as_list(policy.spec.get("policyTypes"))
    return written or (["Ingress", "Egress"] if policy.spec.get("egress") else ["Ingress"])
