"""Services and EndpointSlices: ports, types, addresses."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from treecheck.kube.addresses import is_address, is_network
from treecheck.kube.merged import is_merged
from treecheck.kube.names import fits
from treecheck.kube.pages import validation
from treecheck.kube.ports import is_port
from treecheck.limits.words import SUBDOMAIN
from treecheck.model import Problem, Severity, as_list, as_mapping, as_text, at
from treecheck.registry import rule
from treecheck.wording import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import FieldPath, Resource

_SOURCE = validation("core")
_KUBELET = 10250
_NODE_PORTS = range(30000, 32768)


def _type(resource: Resource) -> str:
    return as_text(resource.spec.get("type")) or "ClusterIP"


@rule("service-ports", source=_SOURCE, kinds=("Service",))
def service_ports(resource: Resource, _cluster: Cluster) -> Iterator[Problem]:
    """A Service without ports, or with two ports of the same name or number.

    Every Service needs one, except headless and ExternalName Services. With several, each has a
    name of its own, and no two have the same number and protocol. A target port is a number or the
    name of a container's port.
    """
    kind, headless = _type(resource), resource.spec.get("clusterIP") == "None"
    ports = [as_mapping(each) for each in as_list(resource.spec.get("ports"))]
    given = ports or headless or is_merged(resource)
    if not given and kind in {"ClusterIP", "NodePort", "LoadBalancer"}:
        yield Problem("the Service has no ports", fix="Add ports.", path=("spec", "ports"))
    names: set[str] = set()
    numbers: set[tuple[Any, str]] = set()
    for index, port in enumerate(ports):
        path = ("spec", "ports", index)
        name = as_text(port.get("name"))
        number = (port.get("port"), as_text(port.get("protocol")) or "TCP")
        if not name and len(ports) > 1:
            yield Problem(
                "one of several ports has no name",
                fix="Give every port a name.",
                path=(*path, "name"),
            )
        elif name in names:
            yield Problem(
                f"two ports are called {name}", fix="Rename one of the two.", path=(*path, "name")
            )
        if number in numbers:
            yield Problem(
                f"port {number[0]}/{number[1]} is there twice",
                fix="Remove one of the two, or change its number.",
                path=(*path, "port"),
            )
        names |= {name} - {""}
        numbers.add(number)
        yield from _target_port(port.get("targetPort"), path)
        yield from _kubelet_port(kind, port.get("port"), path)


def _kubelet_port(kind: str, number: Any, path: FieldPath) -> Iterator[Problem]:
    if kind == "LoadBalancer" and number == _KUBELET:
        yield Problem(
            f"a load balancer can't have port {_KUBELET}, the kubelet's own",
            fix="Choose another port.",
            path=(*path, "port"),
        )


def _target_port(target: Any, path: FieldPath) -> Iterator[Problem]:
    if target not in {None, 0, ""} and not is_port(target):
        yield Problem(
            f"the target port {shown(target)} is neither a port's number nor its name",
            fix="Write a number from 1 to 65535, or the name of a container's port.",
            path=(*path, "targetPort"),
        )


@rule("node-port", source=_SOURCE, kinds=("Service",))
def node_port(resource: Resource, _cluster: Cluster) -> Iterator[Problem]:
    """A node port of a Service that stays inside the cluster.

    Only Services of type NodePort and LoadBalancer have them.
    """
    kind = _type(resource)
    for path, number in _node_ports(resource):
        if kind == "ClusterIP":
            yield Problem(
                f"a Service of type {kind} has no node port ({number})",
                fix="Remove nodePort.",
                path=path,
            )


@rule("node-port-range", source=_SOURCE, kinds=("Service",), severity=Severity.WARNING)
def node_port_range(resource: Resource, _cluster: Cluster) -> Iterator[Problem]:
    """A node port outside the range that API servers hand out.

    It is 30000 to 32767 unless the API server was started with another; EKS keeps it.
    """
    for path, number in _node_ports(resource):
        if number not in _NODE_PORTS and _type(resource) in {"NodePort", "LoadBalancer"}:
            yield Problem(
                f"the node port {number} is outside 30000-32767: an API server that was started "
                "without another range refuses it",
                fix="Choose one in the range, or leave it out.",
                path=path,
            )


def _node_ports(resource: Resource) -> Iterator[tuple[FieldPath, int]]:
    for index, port in enumerate(as_list(resource.spec.get("ports"))):
        number = as_mapping(port).get("nodePort")
        if number:
            yield ("spec", "ports", index, "nodePort"), number


# Fields that only some types of Service may have.
_TYPED_FIELDS: dict[str, tuple[str, ...]] = {
    "allocateLoadBalancerNodePorts": ("LoadBalancer",),
    "loadBalancerClass": ("LoadBalancer",),
    "loadBalancerSourceRanges": ("LoadBalancer",),
}


@rule("service-type", source=_SOURCE, kinds=("Service",))
def service_type(resource: Resource, _cluster: Cluster) -> Iterator[Problem]:
    """A Service with settings that its type does not have.

    A load balancer can't be headless; source ranges and classes belong to load balancers;
    ExternalName needs a host name and has no cluster IP.
    """
    spec, kind = resource.spec, _type(resource)
    for field, kinds in _TYPED_FIELDS.items():
        if spec.get(field) not in (None, "", []) and kind not in kinds:
            yield _wrong(kind, field)
    if spec.get("clusterIP") == "None" and kind in {"LoadBalancer", "NodePort"}:
        yield Problem(
            f"a Service of type {kind} can't be headless",
            fix="Remove clusterIP: None, or the type.",
            path=("spec", "clusterIP"),
        )
    if kind == "ExternalName":
        name = as_text(spec.get("externalName")).removesuffix(".")
        if not fits(name, SUBDOMAIN):
            yield Problem(
                f"the external name {shown(name)} is not a host name",
                fix="Write a host name such as db.example.com.",
                path=("spec", "externalName"),
            )
        for field in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
            if spec.get(field) not in (None, "", []):
                yield _wrong(kind, field)
    if spec.get("externalTrafficPolicy") and not _is_external(resource):
        yield _wrong(kind, "externalTrafficPolicy")
    local = kind == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"
    if spec.get("healthCheckNodePort") and not local:
        yield _wrong(kind, "healthCheckNodePort")


@rule("session-affinity", source=_SOURCE, kinds=("Service",))
def session_affinity(resource: Resource, _cluster: Cluster) -> Iterator[Problem]:
    """A session affinity that lasts no time, or longer than a day.

    `timeoutSeconds` goes from 1 to 86400.
    """
    seconds = at(resource.spec, "sessionAffinityConfig", "clientIP", "timeoutSeconds")
    wanted = resource.spec.get("sessionAffinity") == "ClientIP"
    if wanted and seconds is not None and not 0 < seconds <= 86400:
        yield Problem(
            f"the session affinity lasts {seconds} seconds, and can last 1 to 86400",
            fix="Write a number of seconds up to 86400, a day.",
            path=("spec", "sessionAffinityConfig", "clientIP", "timeoutSeconds"),
        )


def _is_external(resource: Resource) -> bool:
    kind = _type(resource)
    return kind in {"NodePort", "LoadBalancer"} or bool(
        kind == "ClusterIP" and resource.spec.get("externalIPs")
    )


def _wrong(kind: str, field: str) -> Problem:
    return Problem(
        f"a Service of type {kind} can't have {field} here",
        fix=f"Remove {field}, or change the type.",
        path=("spec", field),
    )


@rule("service-address", source=_SOURCE, kinds=("Service", "EndpointSlice", "Endpoints"))
def service_address(resource: Resource, _cluster: Cluster) -> Iterator[Problem]:
    """An address or network of a Service or its endpoints that is none.

    Cluster and external IPs are addresses, source ranges are networks; endpoints can't be loopback
    or link-local addresses.
    """
    for path, value, network in _addresses(resource):
        fits_there = is_network(as_text(value).strip()) if network else is_address(value)
        if not fits_there or ("externalIPs" in path and not _can_be_endpoint(value)):
            yield _bad_address(value, path, network=network)
    listed = as_list(resource.spec.get("clusterIPs"))
    if listed and not resource.spec.get("clusterIP") and _type(resource) != "ExternalName":
        yield Problem(
            "clusterIPs needs clusterIP, with the same first address",
            fix="Remove clusterIPs.",
            path=("spec", "clusterIPs"),
        )
    family = resource.body.get("addressType")
    if resource.kind == "EndpointSlice" and family in {"IPv4", "IPv6", "FQDN"}:
        for index, endpoint in enumerate(as_list(resource.body.get("endpoints"))):
            for number, each in enumerate(as_list(as_mapping(endpoint).get("addresses"))):
                name = as_text(each).removesuffix(".")
                full = "." in name and fits(name, SUBDOMAIN)
                numeric = is_address(each) and _can_be_endpoint(each, family)
                if not (full if family == "FQDN" else numeric):
                    yield _bad_address(each, ("endpoints", index, "addresses", number))


def _addresses(resource: Resource) -> Iterator[tuple[FieldPath, Any, bool]]:
    """(path, value, whether it is a network) of every address of a Service."""
    spec = resource.spec
    if spec.get("clusterIP") not in {None, "", "None"}:
        yield ("spec", "clusterIP"), spec["clusterIP"], False
    for field in ("clusterIPs", "externalIPs", "loadBalancerSourceRanges"):
        for index, each in enumerate(as_list(spec.get(field))):
            if field != "clusterIPs" or each not in {"", "None"}:
                yield ("spec", field, index), each, field == "loadBalancerSourceRanges"


def _can_be_endpoint(value: Any, family: str = "") -> bool:
    address = ipaddress.ip_address(value)
    if family and family != f"IPv{address.version}":
        return False
    return not (address.is_loopback or address.is_link_local or address.is_unspecified)


def _bad_address(value: Any, path: FieldPath, *, network: bool = False) -> Problem:
    alone = f"{value}/{128 if ':' in as_text(value) else 32}"
    example = alone if is_network(alone) else "10.0.0.0/8"
    return Problem(
        f"{shown(value)} is not {'a network' if network else 'an address'} that can stand there",
        fix=f"Write a network such as {example}."
        if network
        else "Write an IP address such as 10.0.0.10.",
        path=path,
    )
