"""Whether NetworkPolicies let a pod reach what its configuration names outside the cluster."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, NamedTuple

from treecheck.cluster import matches
from treecheck.kube.addresses import is_address
from treecheck.kube.network import Connection, Network, Pod, policy_types, port_allowed
from treecheck.kube.outside import WEB_PORTS, may_serve, outside_needs
from treecheck.kube.variables import names_itself
from treecheck.model import Problem, as_list, as_mapping, as_text
from treecheck.registry import Scope, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.kube.outside import OutsideNeed
    from treecheck.model import Manifest, Resource

ELSEWHERE = Pod("", {}, {})
NEAR = 10  # ports of one program: 9092 and 9093
SEVERAL = 2  # pods that get through: more than one program's own right


class Closed(NamedTuple):
    """What a pod needs outside, the policies that isolate it, and those that open it to others."""

    needed: OutsideNeed
    isolating: list[Resource]
    openers: list[Resource]

    def aim(self, policy: Resource) -> tuple[bool, bool, bool, int]:
        """How much a policy looks like the one that was to open the way."""
        rules = [entry for entry in _rules(policy) if _names_block(entry)]
        ports = (
            as_mapping(port).get("port") for each in rules for port in as_list(each.get("ports"))
        )
        near = any(isinstance(p, int) and abs(p - self.needed.port) < NEAR for p in ports)
        narrow = bool(as_mapping(policy.spec.get("podSelector")))
        return near, bool(rules), narrow, len(_rules(policy))


@rule(
    "egress-blocked",
    scope=Scope.CLUSTER,
    source="https://kubernetes.io/docs/concepts/services-networking/network-policies/",
    unless=(
        "dns-blocked",
        "labels-in-peers",
        "network-policy-peer",
        "network-policy-peer-unknown",
        "network-policy-port",
        "network-policy-rules-ignored",
        "network-policy-selects-nothing",
        "port-variable-malformed",
        "selector-mismatch",
    ),
)
def egress_blocked(cluster: Cluster) -> Iterator[Problem]:
    """A way out of the cluster that a pod's configuration asks for and no NetworkPolicy opens.

    Once one policy restricts a pod's egress, only what some policy opens gets out. A database or a
    broker outside needs a rule with its port, without `to` or with an `ipBlock`; a podSelector and
    a namespaceSelector are for pods alone. Otherwise the connection times out.

    What a pod needs is read from variables whose names say that the program connects: DB_HOST with
    DB_PORT, KAFKA_BROKERS, DATABASE_URL, an endpoint with its port. What comes by envFrom alone,
    without a name like it of the pod's own, it may not need where another pod gets through with it,
    unless the way is open to all others and a label is what this one lacks.

    Nothing is said where a network plugin has policies of its own, where a pod is told of a proxy,
    and of names that the cluster itself may serve.
    """
    network = Network(cluster)
    if not any("Egress" in policy_types(policy) for policy in network.policies):
        return
    closed: list[Closed] = []
    through: list[OutsideNeed] = []
    for pod in cluster.pods():
        isolating = network.isolating(Pod.of(pod), "Egress")
        for needed in outside_needs(cluster, pod):
            if not isolating or any(_opens(policy, needed) for policy in isolating):
                through.append(needed)
            elif not (
                network.has_others(pod.owner.namespace)
                or any(_may_mean_pods(policy, needed) for policy in isolating)
                or may_serve(cluster, needed)
            ):
                closed.append(Closed(needed, isolating, _openers(network, needed)))
    told = [each for each in closed if _is_needed(each, closed, through, network)]
    for each in sorted(told, key=lambda each: max(map(each.aim, each.isolating)), reverse=True):
        yield _problem(cluster, each)


def _opens(policy: Resource, needed: OutsideNeed, *, by_port: bool = False) -> bool:
    """Whether one of a policy's rules may let a pod reach a host outside, `by_port` alone."""
    return any(
        (not by_port or entry.get("ports"))
        and _is_for(needed.port, entry)
        and _has(as_list(entry.get("to")), needed.host)
        for entry in _rules(policy)
    )


def _is_for(port: int, entry: Manifest) -> bool:
    """Whether an egress rule has a port, of either protocol: a host outside names none."""
    ports = as_list(entry.get("ports"))
    return any(
        port_allowed(ports, Connection(ELSEWHERE, ELSEWHERE, port, protocol))
        for protocol in ("TCP", "UDP")
    )


def _has(peers: list[Manifest], host: str) -> bool:
    """Whether a rule's peers may have a host outside: nobody says which address a name has."""
    blocks = [as_mapping(each["ipBlock"]) for each in map(as_mapping, peers) if "ipBlock" in each]
    if not peers or (blocks and not is_address(host)):
        return True
    return any(
        _within(host, block.get("cidr"))
        and not any(_within(host, each) for each in as_list(block.get("except")))
        for block in blocks
    )


def _within(host: str, cidr: object) -> bool:
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(str(cidr), strict=False)
    except ValueError:
        return True  # another rule's fault


def _may_mean_pods(policy: Resource, needed: OutsideNeed) -> bool:
    """Whether a rule for pods may open what looks like a host outside.

    A private address may be a Service's, and a name on a port of the web an Ingress's of the same
    cluster, behind which the controller's pods listen on another one.
    """
    on_web = needed.port in WEB_PORTS
    if not (on_web or needed.is_private):
        return False
    ports = WEB_PORTS if on_web else {needed.port}
    return any(
        any({"namespaceSelector", "podSelector"} & set(as_mapping(peer)) for peer in peers)
        and (any(_is_for(port, entry) for port in ports) or _has_named(entry))
        for entry in _rules(policy)
        for peers in [as_list(entry.get("to"))]
    )


def _has_named(entry: Manifest) -> bool:
    """Whether a rule has a port by its name."""
    return any(as_text(as_mapping(each).get("port")) for each in as_list(entry.get("ports")))


def _openers(network: Network, needed: OutsideNeed) -> list[Resource]:
    """The policies that open the way to other pods of the namespace than this one."""
    return [
        policy
        for policy in network.policies
        if policy.namespace == needed.pod.owner.namespace
        and not matches(as_mapping(policy.spec.get("podSelector")), needed.pod.labels)
        and _opens(policy, needed, by_port=True)
    ]


def _rules(policy: Resource) -> list[Manifest]:
    return [as_mapping(each) for each in as_list(policy.spec.get("egress"))]


def _names_block(entry: Manifest) -> bool:
    return any("ipBlock" in as_mapping(peer) for peer in as_list(entry.get("to")))


def _is_needed(
    each: Closed, closed: list[Closed], through: list[OutsideNeed], network: Network
) -> bool:
    """Whether a pod needs what its variables name: see the rule."""
    needed = each.needed
    if names_itself(needed.pod, needed.name, loaded=needed.host_at.loaded):
        return True
    same = [one for one in through if _is_same(one, needed)]
    if not same:
        return not any(
            _is_same(one.needed, needed)
            and names_itself(one.needed.pod, one.needed.name, loaded=one.needed.host_at.loaded)
            for one in closed
        )
    alone = not any(
        one.needed.pod is not needed.pod and _is_same(one.needed, needed) for one in closed
    )
    by_label = all(
        any(policy in each.openers for policy in network.isolating(Pod.of(one.pod), "Egress"))
        for one in same
    )
    images = [_images(one) for one in same]
    return alone and by_label and (len(same) >= SEVERAL or _images(needed) in images)


def _is_same(one: OutsideNeed, other: OutsideNeed) -> bool:
    """Whether two pods have a host and its port from the same place."""
    return (one.host, one.port, id(one.host_at.resource)) == (
        other.host,
        other.port,
        id(other.host_at.resource),
    )


def _images(needed: OutsideNeed) -> set[str]:
    return {as_text(container.get("image")) for _, container in needed.pod.containers("containers")}


def _problem(cluster: Cluster, each: Closed) -> Problem:
    needed, owner = each.needed, each.needed.pod.owner
    names = ", ".join(policy.name for policy in each.isolating)
    told = f"{owner.title} is told to reach {needed.host} on port {needed.port} ({needed.name})"
    related = (
        owner,
        needed.host_at.resource,
        needed.port_at.resource,
        *cluster.of_kind("NetworkPolicy", namespace=owner.namespace),
    )
    if each.openers:
        opener = each.openers[0]
        return Problem(
            f"{told}, outside the cluster; its pods are isolated by {names}, and NetworkPolicy "
            f"{opener.name}, which opens that port, does not select them: the connection times out",
            fix=f"Give the pods the labels that {opener.name} selects, or open the port for them.",
            path=(*needed.pod.path, "metadata", "labels"),
            resource=owner,
            related=related,
            cause=f"{owner.title} {opener.name} {needed.port}",
            absent=owner.namespace,
        )
    blamed = max(each.isolating, key=each.aim)
    return Problem(
        f"{told}, and no egress rule of {names} opens that port to it, outside the cluster: the "
        "connection times out",
        fix=f"Allow port {needed.port} in an egress rule with the host's ipBlock; peers by label "
        "are for pods alone.",
        path=("spec", "egress") if "egress" in blamed.spec else ("spec",),
        resource=blamed,
        related=related,
        cause=f"{owner.namespace} {needed.name} {needed.port}",
        absent=owner.namespace,
    )
