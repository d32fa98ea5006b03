"""Host names and ports in configuration, against the Services of the cluster."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from treecheck.kube.hosts import dependencies, host_and_port, service_ports
from treecheck.kube.ports import DATABASES, pod_ports
from treecheck.kube.services import selected_pods
from treecheck.kube.variables import LISTENS, variables_of
from treecheck.kube.workloads import replicas
from treecheck.model import Problem, Severity, as_mapping, as_text
from treecheck.registry import rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.kube.hosts import Dependency
    from treecheck.model import Resource

SOURCE = "https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/"


@rule(
    "host-unknown",
    source=SOURCE,
    unless=("service-selects-nothing",),
)
def host_unknown(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A host name in a pod's configuration that no Service answers to.

    A name without dots resolves only to a Service of the pod's own namespace. When there is none,
    the application fails at its first connection, long after the deployment was accepted.
    Services that exist outside the tree can be named in the facts.

    The blame goes to where the value is written: a ConfigMap, or the pod's own `env`.
    """
    if resource.pod is None:
        return
    for each in dependencies(cluster, resource.pod):
        yield from _pod_unknown(each, cluster)
        name = f"{each.namespace}/{each.service}"
        outside = name in cluster.facts.services
        if each.target(cluster) is not None or outside or _elsewhere(cluster, each):
            continue
        names = [s.name for s in cluster.of_kind("Service", namespace=each.namespace)]
        close = difflib.get_close_matches(each.service, names, n=1, cutoff=0.6)
        yield Problem(
            f"{each.name} is {each.host}, and nothing in the tree makes Service {each.service} in "
            f"namespace {each.namespace}: without it, connections of {resource.title} fail with "
            "an unknown host",
            fix=f"Name a Service that exists{f' ({close[0]}?)' if close else ''}, or a full host "
            "name if it is outside the cluster.",
            path=each.host_at.path,
            resource=each.host_at.resource,
            related=cluster.lookalikes("Service", each.service),
            absent=cluster.meant_namespace("Service", each.namespace, each.service, resource),
        )


def _pod_unknown(needed: Dependency, cluster: Cluster) -> Iterator[Problem]:
    """The name of one pod, before its Service's, that no pod of the StatefulSet there has."""
    service, (first, *rest) = needed.target(cluster), needed.host.split(".")
    pods = selected_pods(service, cluster) if service else []
    if service is None or not needed.names_pod() or not pods:
        return
    names: list[str] = []
    for pod in pods:
        owner = pod.owner
        if owner.kind != "StatefulSet" or owner.spec.get("serviceName") != service.name:
            return
        start = as_mapping(owner.spec.get("ordinals")).get("start", 0)
        most = replicas(cluster, owner).most
        names += [f"{owner.name}-{index}" for index in range(start, start + most)]
    if names and first not in names:
        yield Problem(
            f"{needed.name} is {needed.host}, and the pods behind {service.title} are "
            f"{', '.join(names[:4])}{', …' if len(names) > 4 else ''}: connections of "
            f"{needed.pod.owner.title} fail with an unknown host",
            fix=f"Write {names[0]}.{'.'.join(rest)}, or the Service's own name.",
            path=needed.host_at.path,
            resource=needed.host_at.resource,
            related=tuple(pod.owner for pod in pods),
            counts=True,
        )


def _elsewhere(cluster: Cluster, needed: Dependency) -> bool:
    """Whether a host is in a namespace that another tree brings.

    The tree has nothing there, nor a Service of that name anywhere.
    """
    here = any(each.namespace == needed.namespace for each in cluster.resources)
    same = any(each.name == needed.service for each in cluster.of_kind("Service"))
    return not here and not same


@rule(
    "pod-name-unserved",
    source="https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#stable-network-id",
    severity=Severity.WARNING,
    unless=("governing-service-missing",),
)
def pod_name_unserved(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """The name of one pod of a StatefulSet, through a Service that has an address of its own.

    `redis-0.redis` is promised for a headless Service only (`clusterIP: None`). CoreDNS happens to
    answer it for others too; another DNS need not. The name of a Deployment's pod is nowhere.
    """
    for needed in dependencies(cluster, resource.pod) if resource.pod else ():
        service, (first, *rest) = needed.target(cluster), needed.host.split(".")
        if service is None or not rest or rest[0] != service.name:
            continue
        if service.spec.get("clusterIP") == "None" or service.spec.get("type") == "ExternalName":
            continue
        owners = [pod.owner for pod in selected_pods(service, cluster)]
        named = [one for one in owners if re.fullmatch(rf"{re.escape(one.name)}-\d+", first)]
        if named:
            yield Problem(
                f"{needed.name} is {needed.host}, a name of one pod, and {service.title} is not "
                "headless: Kubernetes promises such names for headless Services only",
                fix=f"Set clusterIP: None on Service {service.name}, or write the Service's name.",
                path=needed.host_at.path,
                resource=needed.host_at.resource,
                related=(service, *owners),
                cause=f"{service.title} {first}",
            )


@rule(
    "host-domain-misspelt",
    source=SOURCE,
)
def host_domain_misspelt(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A full host name of a Service whose domain is misspelt.

    `cache.shop.svc.cluser.local` is looked up outside the cluster, and nobody knows it. A cluster
    may have a domain of its own; looked at is what resembles cluster.local.
    """
    if resource.pod is None:
        return
    for path, container in resource.pod.containers():
        named = variables_of(cluster, resource.pod, path, container).named
        for name, variable in named.items():
            found = re.search(r"\.svc\.([a-z.]+)", variable.value or "")
            domain = found[1].rstrip(".") if found else "cluster.local"
            if domain != "cluster.local" and difflib.get_close_matches(domain, ["cluster.local"]):
                yield variable.problem(
                    name,
                    f"{name} names a host in {domain}, and the cluster's domain is cluster.local: "
                    "connections fail with an unknown host",
                    fix="Write svc.cluster.local, or leave what follows the namespace out.",
                )


@rule(
    "localhost-unserved",
    source="https://kubernetes.io/docs/concepts/workloads/pods/#pod-networking",
)
def localhost_unserved(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A database on localhost in a pod that has none.

    localhost is the pod itself. What works on a developer's machine, with the database beside the
    program, is refused in a pod of one container. Pods with several containers may have a proxy.
    """
    pod = resource.pod
    containers = pod.containers() if pod else []
    if pod is None or len(containers) != 1:
        return
    declared = {port.number for port in pod_ports(pod)}
    variables = variables_of(cluster, pod, *containers[0]).named
    for name, variable in variables.items():
        host, port, _ = host_and_port(name, variable, variables)
        if host in {"localhost", "127.0.0.1"} and port in DATABASES and port not in declared:
            yield variable.problem(
                name,
                f"{name} is {host}, which is the pod itself, and nothing in it listens on port "
                f"{port}: connections of {resource.title} are refused",
                fix="Name the Service of the database.",
            )


@rule("port-variable-malformed", source=SOURCE, unless=("env-file-quotes",))
def port_variable_malformed(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A port in a pod's configuration that is not a number from 1 to 65535.

    The program ends at its start, or at its first connection. Looked at are the variables that go
    with a host, such as DB_PORT with DB_HOST, and those that say where the program itself listens;
    there it may be a whole address, as programs in Go take it: `:8080`.
    """
    if resource.pod is None:
        return
    for path, container in resource.pod.containers():
        named = variables_of(cluster, resource.pod, path, container).named
        for name, variable in named.items():
            value = variable.value or ""
            paired = name.endswith("_PORT") and f"{name.removesuffix('PORT')}HOST" in named
            if not value or "$(" in value or "://" in value or not (paired or name in LISTENS):
                continue
            number = value if paired else value.rpartition(":")[2]
            if not number.isdecimal() or not 0 < int(number) < 65536:
                yield variable.problem(
                    name,
                    f"{name} of container {container.get('name')} is {value[:80]!r}, which is not "
                    "a port: the program can't use it",
                    fix="Write a number from 1 to 65535.",
                )


@rule(
    "host-port-mismatch",
    source=SOURCE,
)
def host_port_mismatch(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A port in a pod's configuration that the Service does not offer.

    Connections to a Service succeed only on the ports that it lists; to any other they are
    refused or time out.

    `DB_HOST` goes with `DB_PORT`; a URL has its own port, or its scheme's.
    """
    if resource.pod is None:
        return
    own = [port.number for port in pod_ports(resource.pod)]
    for each in dependencies(cluster, resource.pod):
        service = each.target(cluster)
        # An ExternalName is a name alone: any port goes through.
        if service is None or each.port is None or service.spec.get("type") == "ExternalName":
            continue
        ports = service_ports(service)
        if service.spec.get("clusterIP") == "None":  # its name is that of the pods themselves
            pods = selected_pods(service, cluster)
            ports = [port.number for pod in pods for port in pod_ports(pod)]
            if not ports:
                continue
        if each.port not in ports and each.port_at is not None:
            if each.port in own and resource.pod in selected_pods(service, cluster):
                continue  # its own name, as it tells it to others
            known = ", ".join(map(str, ports)) or "none"
            yield Problem(
                f"{resource.title} is told to reach {each.host} on port {each.port}, and Service "
                f"{each.service} offers only {known}",
                fix="Use a port of the Service, or add it there.",
                path=each.port_at.path,
                resource=each.port_at.resource,
                related=(service,),
            )


@rule("cluster-name-unresolved", source=SOURCE + "#pod-s-dns-policy")
def cluster_name_unresolved(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A pod that is told the name of a Service, and does not ask the cluster's DNS.

    With `dnsPolicy: Default` a pod resolves names as its node does, and the node knows no Service.
    On the host's network the default policy comes to the same, unless it is
    ClusterFirstWithHostNet.
    """
    pod = resource.pod
    if pod is None:
        return
    policy = as_text(pod.spec.get("dnsPolicy"))
    on_host = pod.spec.get("hostNetwork") is True and policy in {"", "ClusterFirst"}
    if policy != "Default" and not on_host:
        return
    for each in dependencies(cluster, pod):
        if each.target(cluster) is not None:
            why = "on the host's network" if on_host else "with dnsPolicy Default"
            yield Problem(
                f"{each.name} is {each.host}, a Service of the cluster, and {why} its pods don't "
                "ask the cluster's DNS: connections fail with an unknown host",
                fix=f"Set dnsPolicy to {'ClusterFirstWithHostNet' if on_host else 'ClusterFirst'}.",
                path=(*pod.spec_path, "hostNetwork" if on_host else "dnsPolicy"),
                related=(each.host_at.resource,),
            )
            return
