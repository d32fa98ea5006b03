"""Whether NetworkPolicies let through what the configuration says is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treecheck.kube.hosts import dependencies
from treecheck.kube.ingresses import backends
from treecheck.kube.network import DIRECTIONS, Connection, Network, Pod
from treecheck.kube.ports import find, pod_ports, target_of
from treecheck.kube.services import selected_pods
from treecheck.kube.variables import names_itself
from treecheck.model import Problem, as_list, as_mapping, as_text
from treecheck.registry import Scope, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.kube.hosts import Dependency
    from treecheck.model import Resource

SOURCE = "https://kubernetes.io/docs/concepts/services-networking/network-policies/"
OUTSIDE = Pod("", {}, {})
CONTROLLER = Pod("an Ingress's controller", {}, {})


@rule(
    "network-blocked",
    scope=Scope.CLUSTER,
    source=SOURCE,
    unless=(
        "network-policy-selects-nothing",
        "network-policy-peer-unknown",
        "network-policy-port-unknown",
        "network-policy-rules-ignored",
        "service-port-unknown",
        "dns-blocked",
        "labels-in-peers",
    ),
)
def network_blocked(cluster: Cluster) -> Iterator[Problem]:
    """NetworkPolicies that block a connection which a pod's configuration asks for.

    Each policy is valid, and the connection times out: the client's egress and the server's
    ingress both have to allow it, on the port on which the pods listen. What a pod needs is read
    from the hosts and ports in its variables.

    A pod does not need what comes by envFrom alone, without a name like it of its own (REDIS_ADDR,
    and no other REDIS_…), where another pod has it from the same ConfigMap and gets through, or
    names it. A private block of addresses that is wide enough for pods lets all of them through,
    and so may a network plugin's own policy (Cilium's, say).
    """
    network = Network(cluster)
    if not network.policies:
        return
    found = [
        (needed, list(_blocked(cluster, network, needed)))
        for template in cluster.pods()
        for needed in dependencies(cluster, template)
    ]
    meant = {
        (id(needed.host_at.resource), needed.host)
        for needed, problems in found
        if not problems or names_itself(needed.pod, needed.name, loaded=needed.host_at.loaded)
    }
    for needed, problems in found:
        if (
            names_itself(needed.pod, needed.name, loaded=needed.host_at.loaded)
            or (id(needed.host_at.resource), needed.host) not in meant
        ):
            yield from problems


def _blocked(cluster: Cluster, network: Network, needed: Dependency) -> Iterator[Problem]:
    service = needed.target(cluster)
    if service is None:
        return
    for server, port, protocol in _ends(cluster, service, needed):
        connection = Connection(Pod.of(needed.pod), server, port, protocol)
        for direction in DIRECTIONS:
            refusing = network.refusing(direction, connection)
            if refusing:
                key = DIRECTIONS[direction][0]
                blamed = _opener(refusing, key)
                names = ", ".join(policy.name for policy in refusing)
                yield Problem(
                    f"{needed.pod.owner.title} needs {needed.host} on port {port}, and no {key} "
                    f"rule of {names} lets it through: the connection times out",
                    fix=f"Allow {protocol} port {port} (the pods' port) in an {key} rule whose "
                    "peer matches the other side's labels.",
                    path=("spec", key) if key in blamed.spec else ("spec",),
                    resource=blamed,
                    related=(
                        needed.pod.owner,
                        service,
                        *(pod.owner for pod in selected_pods(service, cluster)),
                        *_meant(cluster, needed.pod.owner.namespace, server.namespace),
                    ),
                    absent=blamed.namespace,
                )
                return


def _opener(refusing: list[Resource], key: str) -> Resource:
    """The policy that was meant to open it: one for these pods, with rules; others only close."""
    return max(
        refusing,
        key=lambda policy: (
            bool(as_mapping(policy.spec.get("podSelector"))),
            len(as_list(policy.spec.get(key))),
        ),
    )


def _meant(cluster: Cluster, *namespaces: str) -> Iterator[Resource]:
    """The policies that may have been meant for pods of these namespaces."""
    for policy in cluster.of_kind("NetworkPolicy"):
        selector = as_mapping(policy.spec.get("podSelector"))
        at_home = cluster.pods_matching(policy.namespace, selector)
        elsewhere = not at_home and any(cluster.pods_matching(n, selector) for n in namespaces)
        if policy.namespace in namespaces or elsewhere:
            yield policy


def _ends(
    cluster: Cluster, service: Resource, needed: Dependency
) -> Iterator[tuple[Pod, int, str]]:
    """(pod, port, protocol) behind the Service's port that is needed, for each kind of pod."""
    for port in map(as_mapping, as_list(service.spec.get("ports"))):
        if needed.port not in (None, port.get("port")):
            continue
        protocol = as_text(port.get("protocol")) or "TCP"
        for template in selected_pods(service, cluster):
            target = target_of(port)
            declared = find(pod_ports(template), target, protocol)
            number = declared.number if declared else target
            if isinstance(number, int) and template is not needed.pod:
                yield Pod.of(template), number, protocol


@rule(
    "dns-blocked",
    scope=Scope.CLUSTER,
    source=SOURCE,
    unless=("network-policy-peer-unknown", "network-policy-rules-ignored", "labels-in-peers"),
)
def dns_blocked(cluster: Cluster) -> Iterator[Problem]:
    """A pod that may not ask the cluster's DNS for the names in its configuration.

    As soon as one policy restricts a pod's egress, DNS is closed too. The pod then reaches nothing
    by name, not even what another rule allows. The facts say where the DNS pods are.

    A block of addresses (`ipBlock`) lets them be asked if it is private and wide enough for pods,
    or if its rule names port 53; a network plugin's own policy (Cilium's, say) may.
    """
    network = Network(cluster)
    dns = Pod(cluster.facts.dns_namespace, cluster.facts.dns_labels, {"dns": 53})
    for template in cluster.pods():
        client = Pod.of(template)
        refusing = network.refusing("Egress", Connection(client, dns, 53, "UDP"))
        needed = next(dependencies(cluster, template), None) if refusing else None
        if needed is not None:
            blamed = max(refusing, key=lambda policy: len(as_list(policy.spec.get("egress"))))
            yield Problem(
                f"{template.owner.title} looks up {needed.host}, and no egress rule lets it ask "
                f"the DNS pods in {dns.namespace}: every name is unknown to it",
                fix=f"Allow UDP and TCP port 53 to namespace {dns.namespace} in an egress rule "
                "that selects these pods.",
                path=("spec", "egress") if "egress" in blamed.spec else ("spec",),
                resource=blamed,
                related=tuple(cluster.of_kind("NetworkPolicy", namespace=client.namespace)),
                cause=f"{template.owner.namespace} {blamed.name}",
                absent=blamed.namespace,
            )


@rule(
    "exposure-blocked",
    kinds=("Service",),
    source=SOURCE,
    unless=(
        "database-exposed",
        "service-type",
        "service-port-strays",
        "listen-port-undeclared",
        "network-policy-port-unknown",
        "network-policy-selects-nothing",
    ),
)
def exposure_blocked(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A Service for the outside whose pods admit nobody from there.

    A load balancer's connections come from outside the cluster or from the node, which no
    podSelector or namespaceSelector matches.
    """
    if resource.spec.get("type") not in {"LoadBalancer", "NodePort"}:
        return
    if resource.spec.get("loadBalancerClass") == "tailscale":
        return  # a pod in the cluster forwards
    network = Network(cluster)
    for port in map(as_mapping, as_list(resource.spec.get("ports"))):
        for template in selected_pods(resource, cluster):
            declared = find(pod_ports(template), target_of(port))
            server = Pod.of(template)
            if declared is None or _admits_outside(network, server, declared.number):
                continue
            names = ", ".join(policy.name for policy in network.isolating(server, "Ingress"))
            kind = as_text(resource.spec.get("type"))
            way = "load balancer" if kind == "LoadBalancer" else "nodes' port"
            yield Problem(
                f"NetworkPolicy {names} isolates its pods, and nothing allows port "
                f"{declared.number} from outside the cluster: clients of the {way} time out",
                fix=f"Add an ingress rule for port {declared.number} without `from`, or with the "
                "clients' ipBlock.",
                path=("spec", "type"),
                related=(
                    template.owner,
                    *cluster.of_kind("NetworkPolicy", "ConfigMap", namespace=resource.namespace),
                ),
            )
            return


@rule(
    "ingress-blocked",
    kinds=("Ingress",),
    source=SOURCE,
    unless=("network-policy-selects-nothing", "service-selects-strangers"),
)
def ingress_blocked(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """An Ingress to pods that admit only each other.

    The Ingress's controller runs in a namespace of its own. When every rule that opens the port is
    for pods of this namespace, its connections time out: 504 for every request.
    """
    network = Network(cluster)
    for path, backend in backends(resource):
        wanted = as_mapping(backend.get("service"))
        service = cluster.get("Service", resource.namespace, as_text(wanted.get("name")))
        for template in selected_pods(service, cluster) if service else ():
            server = Pod.of(template)
            if network.may_open("Ingress", server, CONTROLLER):
                continue
            closed = [p for p in network.isolating(server, "Ingress") if not _opens(p)]
            if closed and len(closed) == len(network.isolating(server, "Ingress")):
                names = ", ".join(policy.name for policy in closed)
                yield Problem(
                    f"the pods of {template.owner.title} admit only what {names} allow, and that "
                    "is nobody from outside this namespace: the Ingress's controller can't reach "
                    "them",
                    fix="Add an ingress rule for the controller's namespace.",
                    path=(*path, "service", "name"),
                    related=(
                        *cluster.of_kind("NetworkPolicy", namespace=resource.namespace),
                        *cluster.of_kind("Service", namespace=resource.namespace),
                        template.owner,
                    ),
                )
                return


def _opens(policy: Resource) -> bool:
    """Whether a policy lets anybody in from outside its own namespace, or could."""
    for entry in map(as_mapping, as_list(policy.spec.get("ingress"))):
        peers = as_list(entry.get("from"))
        if not peers or any({"namespaceSelector", "ipBlock"} & set(as_mapping(p)) for p in peers):
            return True
    return False


def _admits_outside(network: Network, server: Pod, port: int) -> bool:
    isolating = network.isolating(server, "Ingress")
    if not isolating:
        return True
    if not network.refusing("Ingress", Connection(OUTSIDE, server, port)):
        return True
    # An ipBlock may be the clients' own network; the tree doesn't say.
    return any(
        "ipBlock" in as_mapping(peer)
        for policy in isolating
        for entry in as_list(policy.spec.get("ingress"))
        for peer in as_list(as_mapping(entry).get("from"))
    )
