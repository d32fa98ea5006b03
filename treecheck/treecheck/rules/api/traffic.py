"""Ingresses and NetworkPolicies: rules, paths, peers, networks."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Any

from treecheck.kube.addresses import is_address, is_network
from treecheck.kube.names import fits
from treecheck.kube.pages import validation
from treecheck.kube.ports import is_port
from treecheck.limits.words import DNS_LABEL, SUBDOMAIN, URL_PART
from treecheck.model import Problem, as_list, as_text, show_path
from treecheck.registry import rule
from treecheck.typed import of_type
from treecheck.wording import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import FieldPath, Manifest, Resource

_INGRESS = validation("networking")
_POLICY = validation("networking")
_FORBIDDEN_PATHS = ("//", "/./", "/../", "%2f", "%2F")
_WILDCARD = re.compile(r"\*\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\Z")


@rule("ingress-rules", source=_INGRESS, kinds=("Ingress",), unless=("unknown-field",))
def ingress_rules(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """An Ingress that leads nowhere, or with a host or path that can't be one.

    It needs rules or a default backend. A host is a DNS name, with `*.` before it at most; a path
    of type Exact or Prefix starts with `/` and has no `//`, `/./` or `/../` in it.
    """
    spec = resource.spec
    if "spec" in resource.body and not spec.get("rules") and not spec.get("defaultBackend"):
        yield Problem(
            "the Ingress has neither rules nor a default backend",
            fix="Add rules.",
            path=("spec", "rules"),
        )
    for path, each in of_type(resource, cluster, "networking.v1.IngressRule"):
        host = as_text(each.get("host"))
        form = _WILDCARD.match(host) if "*" in host else fits(host, SUBDOMAIN)
        if host and (is_address(host) or not form):
            yield Problem(
                f"the host {shown(host)} is no DNS name",
                fix="Write a name such as shop.example.com or *.example.com.",
                path=(*path, "host"),
            )
    for path, each in of_type(resource, cluster, "networking.v1.HTTPIngressPath"):
        text = as_text(each.get("path"))
        reason = _bad_path(text, each.get("pathType"))
        if reason:
            yield Problem(
                f"the path {shown(text)} {reason}", fix="Correct the path.", path=(*path, "path")
            )
    for path, each in of_type(resource, cluster, "core.v1.TypedLocalObjectReference"):
        yield from _reference(path, each)
    for path, each in of_type(resource, cluster, "networking.v1.ServiceBackendPort"):
        name = each.get("name")
        if name and not is_port(name):
            yield Problem(
                f"{shown(name)} is not a name of a port",
                fix="Write at most 15 lower-case letters, digits and hyphens.",
                path=(*path, "name"),
            )


def _reference(path: FieldPath, reference: Manifest) -> Iterator[Problem]:
    wrong = _bad_reference(reference)
    if wrong:
        yield Problem(
            f"{show_path((*path, wrong))} is {shown(reference[wrong])}, which it can't be",
            fix="Name a resource by apiGroup, kind and name.",
            path=(*path, wrong),
        )


def _bad_reference(reference: Manifest) -> str:
    """The field of a reference to a resource that can't be one; "" if there is none."""
    if "apiGroup" in reference and not fits(as_text(reference["apiGroup"]), SUBDOMAIN):
        return "apiGroup"
    for field in ("kind", "name"):
        if field in reference and not fits(as_text(reference[field]), URL_PART):
            return field
    return ""


@rule("ingress-class-twice", source=_INGRESS, kinds=("Ingress",))
def ingress_class_twice(resource: Resource, _cluster: Cluster) -> Iterator[Problem]:
    """An Ingress of two classes: one by the field, another by the old annotation.

    `kubernetes.io/ingress.class` came before `ingressClassName`. With both, the two must agree when
    the Ingress is made.
    """
    key = "kubernetes.io/ingress.class"
    named, old = resource.spec.get("ingressClassName"), resource.annotations.get(key)
    if named is not None and old is not None and named != old:
        yield Problem(
            f"ingressClassName is {shown(named)}, and the annotation says {shown(old)}",
            fix=f"Remove the annotation {key}.",
            path=("metadata", "annotations", key),
        )


@rule(
    "ingress-class",
    source="https://kubernetes.io/docs/concepts/services-networking/ingress/#ingress-class",
    kinds=("IngressClass",),
)
def ingress_class(resource: Resource, _cluster: Cluster) -> Iterator[Problem]:
    """An IngressClass whose parameters are in a namespace, or in none, against their scope.

    `scope: Namespace` names one; `Cluster`, which it is unless said, has none.
    """
    parameters = resource.spec.get("parameters")
    if not isinstance(parameters, dict):
        return
    space = parameters.get("namespace")
    scoped = parameters.get("scope") == "Namespace"
    if scoped and not fits(as_text(space), DNS_LABEL):
        text = "parameters of scope Namespace name the namespace"
    elif not scoped and space is not None:
        text = "parameters of scope Cluster have no namespace"
    else:
        return
    path = ("spec", "parameters", "namespace")
    yield Problem(text, fix="Correct scope or namespace.", path=path)


def _bad_path(text: str, kind: Any) -> str:
    if kind not in {"Exact", "Prefix"}:
        return "does not start with /" if text and not text.startswith("/") else ""
    if not text.startswith("/"):
        return "does not start with /"
    found = next((each for each in _FORBIDDEN_PATHS if each in text), None)
    if found is None and text.endswith(("/.", "/..")):
        found = text[text.rindex("/") :]
    return f"has {found} in it" if found else ""


@rule("network-policy-peer", source=_POLICY, kinds=("NetworkPolicy",))
def network_policy_peer(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A peer of a NetworkPolicy that names nobody, or two kinds of things at once.

    A peer is pods, namespaces or both, or else a network. An empty peer is not everybody: leave
    `from` or `to` out for that.
    """
    for path, peer in of_type(resource, cluster, "networking.v1.NetworkPolicyPeer"):
        block = "ipBlock" in peer
        selects = "podSelector" in peer or "namespaceSelector" in peer
        if not block and not selects:
            yield Problem(
                f"{show_path(path)} names nobody",
                fix="Add a podSelector, a namespaceSelector or an ipBlock; or leave out the list.",
                path=path,
            )
        elif block and selects:
            yield Problem(
                f"{show_path(path)} names a network and pods at once",
                fix="Make two peers of it.",
                path=(*path, "ipBlock"),
            )
    for path, block_value in of_type(resource, cluster, "networking.v1.IPBlock"):
        yield from _block(path, block_value)


def _block(path: FieldPath, block: Manifest) -> Iterator[Problem]:
    cidr = as_text(block.get("cidr"))
    if cidr and not is_network(cidr):
        yield _no_network(cidr, (*path, "cidr"))
        return
    for index, each in enumerate(as_list(block.get("except"))):
        where = (*path, "except", index)
        if not is_network(as_text(each)):
            yield _no_network(each, where)
        elif cidr and not _strictly_inside(as_text(each), cidr):
            yield Problem(
                f"{each} is not inside {cidr}, so it is not an exception",
                fix="Write a smaller network inside the other.",
                path=where,
            )


def _strictly_inside(inner: str, outer: str) -> bool:
    one = ipaddress.ip_network(inner, strict=False)
    other = ipaddress.ip_network(outer, strict=False)
    if one.version != other.version or one.prefixlen <= other.prefixlen:
        return False
    return one.network_address in other


def _no_network(value: Any, path: FieldPath) -> Problem:
    return Problem(
        f"{shown(value)} is not a network", fix="Write one such as 10.0.0.0/8.", path=path
    )


@rule("network-policy-port", source=_POLICY, kinds=("NetworkPolicy",))
def network_policy_port(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A port of a NetworkPolicy that is none, or a range that ends before it starts.

    A port is a number or the name of a container's port; `endPort` needs a number in `port`, and
    is at least as large.
    """
    for path, each in of_type(resource, cluster, "networking.v1.NetworkPolicyPort"):
        port, end = each.get("port"), each.get("endPort")
        if port is not None and not is_port(port):
            yield Problem(
                f"{shown(port)} is not a port",
                fix="Write a number from 1 to 65535, or the name of a container's port.",
                path=(*path, "port"),
            )
        elif end is not None and not (isinstance(port, int) and end >= port):
            yield Problem(
                f"endPort {end} needs a port that is a number and not larger (it is {shown(port)})",
                fix="Correct the range.",
                path=(*path, "endPort"),
            )
