"""Host names and ports in configuration, against the Services of the cluster."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from ci.validate.kube.hosts import dependencies, service_ports
from ci.validate.kube.ports import pod_ports
from ci.validate.model import Problem
from ci.validate.registry import rule
from ci.validate.rules.references.services import selected_pods

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ci.validate.environment import Environment
    from ci.validate.model import Resource

SOURCE = "https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/"


@rule(
    "host-unknown",
    source=SOURCE,
    unless=("service-selects-nothing",),
)
def host_unknown(resource: Resource, environment: Environment) -> Iterator[Problem]:
    """A host name in a pod's configuration that no Service answers to.

    A name without dots resolves only to a Service of the pod's own namespace. When there is none,
    the application fails at its first connection, long after the deployment was accepted.
    Services that exist outside the tree can be named in the facts.

    The blame goes to where the value is written: a ConfigMap, or the pod's own `env`.
    """
    if resource.pod is None:
        return
    for each in dependencies(environment, resource.pod):
        outside = f"{each.namespace}/{each.service}" in environment.facts.services
        if each.target(environment) is not None or outside:
            continue
        names = [s.name for s in environment.of_kind("Service", namespace=each.namespace)]
        close = difflib.get_close_matches(each.service, names, n=1, cutoff=0.4)
        yield Problem(
            f"{each.name} is {each.host}, and namespace {each.namespace} has no Service "
            f"{each.service}: connections of {resource.title} fail with an unknown host",
            fix=f"Name a Service that exists{f' ({close[0]}?)' if close else ''}, or a full host "
            "name if it is outside the cluster.",
            path=each.host_at.path,
            resource=each.host_at.resource,
            related=environment.lookalikes("Service", each.service),
        )


@rule(
    "host-port-mismatch",
    source=SOURCE,
)
def host_port_mismatch(resource: Resource, environment: Environment) -> Iterator[Problem]:
    """A port in a pod's configuration that the Service does not offer.

    Connections to a Service succeed only on the ports that it lists; to any other they are
    refused or time out.

    `DB_HOST` goes with `DB_PORT`; a URL has its own port, or its scheme's.
    """
    if resource.pod is None:
        return
    for each in dependencies(environment, resource.pod):
        service = each.target(environment)
        # An ExternalName is a name alone: any port goes through.
        if service is None or each.port is None or service.spec.get("type") == "ExternalName":
            continue
        ports = service_ports(service)
        if service.spec.get("clusterIP") == "None":  # its name is that of the pods themselves
            pods = selected_pods(service, environment)
            ports = [port.number for pod in pods for port in pod_ports(pod)]
            if not ports:
                continue
        if each.port not in ports and each.port_at is not None:
            known = ", ".join(map(str, ports)) or "none"
            yield Problem(
                f"{resource.title} is told to reach {each.host} on port {each.port}, and Service "
                f"{each.service} offers only {known}",
                fix="Use a port of the Service, or add it there.",
                path=each.port_at.path,
                resource=each.port_at.resource,
                related=(service,),
            )
