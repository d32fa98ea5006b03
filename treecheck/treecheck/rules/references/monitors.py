"""What the Prometheus Operator's monitors ask, against the Services and pods of the tree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treecheck.cluster import matches
from treecheck.kube.names import suggest
from treecheck.kube.ports import pod_ports
from treecheck.model import Problem, as_list, as_mapping, as_text, each
from treecheck.registry import rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import Resource

OPERATOR = "https://prometheus-operator.dev/docs/api-reference/api/#monitoring.coreos.com/v1."
GROUP = "monitoring.coreos.com"
ENDPOINTS = {"ServiceMonitor": "endpoints", "PodMonitor": "podMetricsEndpoints"}


@rule("monitor-port-unknown", kinds=ENDPOINTS, source=OPERATOR + "Endpoint")
def monitor_port_unknown(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A ServiceMonitor or PodMonitor that asks a port which nothing it selects has.

    `port` is the name of a port: of the Service for a ServiceMonitor, of the container for a
    PodMonitor. Prometheus finds no target, and no metric and no alert says so. Looked at is what
    selects a Service, or a pod, of the tree. One of all namespaces may list a port for each program
    that somebody installs, of which the tree has one.
    """
    if resource.group != GROUP:
        return
    field = ENDPOINTS[resource.kind]
    what, owners, names = _selected(resource, cluster)
    everywhere = as_mapping(resource.spec.get("namespaceSelector")).get("any") is True
    asked = [as_text(endpoint.get("port")) for _, endpoint in each(resource, "spec", field)]
    if everywhere and not names.isdisjoint(asked):
        return
    for place, endpoint in each(resource, "spec", field) if owners else ():
        port = as_text(endpoint.get("port"))
        if port and port not in names:
            known = ", ".join(sorted(names)) or "no named one"
            yield Problem(
                f"it asks port {port}, and the {what} that it selects have {known}: Prometheus "
                "finds no target",
                fix=suggest(port, sorted(names)) if names else f"Name the port {port} there.",
                path=(*place, "port"),
                related=tuple(owners),
            )


def _selected(monitor: Resource, cluster: Cluster) -> tuple[str, list[Resource], set[str]]:
    """(what they are, what a monitor selects, the names of their ports)."""
    selector = as_mapping(monitor.spec.get("selector"))
    space = as_mapping(monitor.spec.get("namespaceSelector"))
    places: set[str | None] = {as_text(one) for one in as_list(space.get("matchNames"))}
    places = {None} if space.get("any") is True else places or {monitor.namespace}
    if monitor.kind == "ServiceMonitor":
        services = [
            service
            for one in places
            for service in cluster.of_kind("Service", namespace=one)
            if matches(selector, service.labels)
        ]
        ports = [port for one in services for _, port in each(one, "spec", "ports")]
        return "Services", services, {as_text(port.get("name")) for port in ports} - {""}
    pods = [pod for one in places for pod in cluster.pods(one) if matches(selector, pod.labels)]
    names = {port.name for pod in pods for port in pod_ports(pod)} - {""}
    return "pods", [pod.owner for pod in pods], names
