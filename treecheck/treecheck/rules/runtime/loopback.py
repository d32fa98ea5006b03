"""Servers that listen where only their own pod reaches them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from treecheck.kube.ports import container_ports, find, target_of
from treecheck.kube.probes import network_probes
from treecheck.kube.variables import variables_of
from treecheck.model import Problem, as_list, as_mapping, containers
from treecheck.registry import rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import Manifest, Resource

LISTENS = re.compile(r"(^|_)(LISTEN|BIND)(_ADDR(ESS)?)?$")
LOOPBACK = re.compile(r"(?:https?://)?(?:localhost|127(?:\.\d+){3}|\[::1\]):(\d+)/?")


@rule(
    "listens-on-loopback",
    unless=("listen-port-undeclared",),
    source="https://kubernetes.io/docs/concepts/workloads/pods/#pod-networking",
)
def listens_on_loopback(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A server that is set to listen on 127.0.0.1, where a probe or a Service asks its pod.

    The kubelet and a Service connect to the pod's own address: connection refused. Looked at are
    variables such as LISTEN_ADDR and BIND_ADDRESS that say a port too, and the port is one that a
    probe of the container asks, or a Service leads to.
    """
    pod = resource.pod
    if pod is None or pod.spec.get("hostNetwork"):
        return
    for path, container in containers(resource, "containers"):
        for name, variable in variables_of(cluster, pod, path, container).named.items():
            said = LOOPBACK.fullmatch(variable.value or "") if LISTENS.search(name) else None
            asking = _who_asks(resource, cluster, container, int(said[1])) if said else ""
            if said and asking:
                yield variable.problem(
                    name,
                    f"{name} tells container {container.get('name')} of {resource.title} to listen "
                    f"on {variable.value}, where only its own pod reaches it, and {asking} asks "
                    f"port {said[1]}: connection refused",
                    fix=f"Write :{said[1]}, or 0.0.0.0:{said[1]}.",
                )


def _who_asks(resource: Resource, cluster: Cluster, container: Manifest, number: int) -> str:
    """The probe or the Service that asks a container's port, or ""."""
    ports = container_ports(container)

    def is_it(wanted: int | str) -> bool:
        port = find(ports, wanted)
        return wanted == number or (port is not None and port.number == number)

    for _, probed, probe, handler in network_probes(resource):
        if probed is container and is_it(as_mapping(probed[probe])[handler].get("port") or 0):
            return f"its {probe}"
    for service in cluster.of_kind("Service", namespace=resource.namespace):
        listed = map(as_mapping, as_list(service.spec.get("ports")))
        if any(is_it(target_of(port)) for port in listed) and _selects(service, resource):
            return service.title
    return ""


def _selects(service: Resource, resource: Resource) -> bool:
    selector = as_mapping(service.spec.get("selector"))
    labels = resource.pod.labels if resource.pod else {}
    return bool(selector) and selector.items() <= labels.items()
