"""What the Prometheus Operator's monitors ask, against the Services and pods of the tree."""

from __future__ import annotations

import difflib
import re
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


@rule(
    "monitor-useless",
    kinds=("PodMonitor", "ServiceMonitor"),
    unless=("monitor-port-unknown",),
    source=OPERATOR + "Endpoint",
)
def monitor_useless(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A monitor that selects no Service or pod, or an endpoint that the operator refuses.

    `port` is a name, never a number, and scrapeTimeout is no longer than interval: the API server
    refuses the first, the operator drops a monitor with the second. Of what is not selected no
    metric and no alert says that it lacks; it is reported where a Service beside a ServiceMonitor,
    or a pod beside a PodMonitor, has a label that is very like the one asked for.
    """
    if resource.group != GROUP:
        return
    for place, endpoint in each(resource, "spec", ENDPOINTS[resource.kind]):
        if isinstance(endpoint.get("port"), int):
            yield Problem(
                f"port is the number {endpoint['port']}, and a name belongs there: the API server "
                "refuses it",
                fix="Write the port's name, or targetPort for a number.",
                path=(*place, "port"),
            )
        timeout, interval = (_seconds(endpoint.get(key)) for key in ("scrapeTimeout", "interval"))
        if timeout and interval and timeout > interval:
            yield Problem(
                f"scrapeTimeout {endpoint['scrapeTimeout']} is longer than interval "
                f"{endpoint['interval']}: the operator leaves the monitor out",
                fix="Make scrapeTimeout the shorter one.",
                path=(*place, "scrapeTimeout"),
            )
    if not _selected(resource, cluster)[1]:
        yield from _near(resource, cluster)


def _near(monitor: Resource, cluster: Cluster) -> Iterator[Problem]:
    """The label of a Service or pod beside it that a monitor very probably means."""
    if "namespaceSelector" in monitor.spec:
        return
    wanted = as_mapping(as_mapping(monitor.spec.get("selector")).get("matchLabels"))
    of_pods, where = monitor.kind == "PodMonitor", monitor.namespace
    services, pods = cluster.of_kind("Service", namespace=where), cluster.pods(where)
    labels = [one.labels for one in pods] if of_pods else [one.labels for one in services]
    what = "pod" if of_pods else "Service"
    for key, value in wanted.items():
        values = {as_text(one[key]) for one in labels if key in one}
        # Pods that operators make, which no tree has, are often called like those that it has.
        cutoff = 0.8 if of_pods else 0.5
        near = difflib.get_close_matches(as_text(value), values, n=1, cutoff=cutoff)
        if near and value not in values:
            yield Problem(
                f"no {what} of namespace {where} has {key}={value}: Prometheus finds no target",
                fix=f"Write {near[0]}, the label of the {what} itself.",
                path=("spec", "selector"),
                absent=where,
                lacking="" if of_pods else "Service",
            )
            return


def _seconds(text: object) -> float:
    """A duration of Prometheus, such as `1m30s`, in seconds; 0 if it is none."""
    units = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}
    parts = re.findall(r"(\d+)(ms|[smh])", as_text(text))
    return sum(int(number) * units[unit] for number, unit in parts)


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
