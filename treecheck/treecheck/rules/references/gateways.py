"""The Gateway API: whether a route's Gateway takes it, and what other namespaces allow.

Source of every rule: https://gateway-api.sigs.k8s.io/reference/spec/.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from treecheck.cluster import matches
from treecheck.kube.config import find_store
from treecheck.kube.gateways import GROUP, NAME_LABEL, ROUTES, backend_refs, is_of_api
from treecheck.model import Problem, as_list, as_mapping, as_text, each
from treecheck.registry import rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import FieldPath, Manifest, Resource

SPEC = "https://gateway-api.sigs.k8s.io/reference/spec/"
# The kinds that a listener takes where it does not say which.
TAKES = {
    "HTTP": {"HTTPRoute", "GRPCRoute"},
    "HTTPS": {"HTTPRoute", "GRPCRoute"},
    "TLS": {"TLSRoute", "TCPRoute"},
    "TCP": {"TCPRoute"},
    "UDP": {"UDPRoute"},
}


@rule("route-not-attached", kinds=ROUTES, source=SPEC + "#commonroutespec")
def route_not_attached(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A route that its Gateway does not take.

    The Gateway is not there, has no listener of that name or port, takes no routes of this kind or
    from this namespace, or serves other host names. The API server accepts the route; its status
    says Accepted false, and nothing is served.
    """
    for place, parent in each(resource, "spec", "parentRefs") if is_of_api(resource) else ():
        if parent.get("kind", "Gateway") != "Gateway" or parent.get("group", GROUP) != GROUP:
            continue
        name = as_text(parent.get("name"))
        namespace = as_text(parent.get("namespace")) or resource.namespace
        # Of several with one name, such as variants side by side, any may be meant.
        gateways = [
            each for each in cluster.of_kind("Gateway", namespace=namespace) if each.name == name
        ]
        if not gateways:
            yield Problem(
                f"nothing in the tree makes Gateway {name} in namespace {namespace}: without it, "
                "nothing serves the route",
                fix="Name a Gateway that exists, with its namespace.",
                path=(*place, "name"),
                related=cluster.lookalikes("Gateway", name),
                absent=cluster.meant_namespace("Gateway", namespace, name, resource),
            )
            continue
        wrong = [_refusal(resource, parent, gateway, cluster) for gateway in gateways]
        if wrong[0] is not None and all(wrong):
            field, what, fix = wrong[0]
            yield Problem(
                f"Gateway {namespace}/{name} {what}: nothing serves the route",
                fix=fix,
                path=(*place, field) if field in parent else place,
                related=tuple(gateways),
            )


def _refusal(
    route: Resource, parent: Manifest, gateway: Resource, cluster: Cluster
) -> tuple[str, str, str] | None:
    """(field of the parent, why no listener takes the route, how to fix it), or None."""
    listeners = [listener for _, listener in each(gateway, "spec", "listeners")]
    section, port = parent.get("sectionName"), parent.get("port")
    if section:
        names = ", ".join(as_text(each.get("name")) for each in listeners)
        listeners = [each for each in listeners if each.get("name") == section]
        if not listeners:
            return "sectionName", f"has no listener {section} but {names}", "Name one of these."
    if port:
        listeners = [each for each in listeners if each.get("port") == port]
        if not listeners:
            return "port", f"does not listen on port {port}", "Name a listener's port."
    if not any(_takes(listener, route.kind) for listener in listeners):
        return "name", f"takes no {route.kind}", "Name a listener of another protocol or kind."
    listeners = [each for each in listeners if _takes(each, route.kind)]
    admitted = [_admits(each, route, gateway, cluster) for each in listeners]
    if not any(each is not False for each in admitted):
        what = f"takes no routes of namespace {route.namespace}"
        return "namespace", what, "Let allowedRoutes.namespaces of a listener have it."
    hosts = [as_text(each) for each in as_list(route.spec.get("hostnames"))]
    served = [
        as_text(listener.get("hostname"))
        for listener, admits in zip(listeners, admitted, strict=True)
        if admits is not False
    ]
    if hosts and not any(_meet(host, name) for host in hosts for name in served):
        what = f"serves {', '.join(served)}, and the route is for {', '.join(hosts)}"
        return "name", what, "Let a host name of the route be one of the listener's."
    return None


def _takes(listener: Manifest, kind: str) -> bool:
    named = as_list(as_mapping(listener.get("allowedRoutes")).get("kinds"))
    if named:
        return any(as_mapping(entry).get("kind") == kind for entry in named)
    known = TAKES.get(as_text(listener.get("protocol")))
    return known is None or kind in known


def _admits(
    listener: Manifest, route: Resource, gateway: Resource, cluster: Cluster
) -> bool | None:
    """Whether a listener takes routes of the route's namespace; None where that is not known."""
    allowed = as_mapping(as_mapping(listener.get("allowedRoutes")).get("namespaces"))
    origin = allowed.get("from", "Same")
    if origin == "Same":
        return route.namespace == gateway.namespace
    if origin != "Selector":
        return origin == "All" or None
    labels = {NAME_LABEL: route.namespace}
    namespace = cluster.get("Namespace", "", route.namespace)
    selector = as_mapping(allowed.get("selector"))
    if namespace is None:  # its other labels are not known
        wanted = as_mapping(selector.get("matchLabels"))
        named = NAME_LABEL in wanted and wanted[NAME_LABEL] != route.namespace
        return False if named else None
    return matches(selector, {**namespace.labels, **labels})


def _meet(host: str, served: str) -> bool:
    """Whether two host names, each perhaps with a wildcard, have one in common."""
    if not served or host == served:
        return True
    for one, other in ((host, served), (served, host)):
        if one.startswith("*.") and other.endswith(one[1:]):
            return True
    return False


@rule("reference-grant-missing", kinds=(*ROUTES, "Gateway"), source=SPEC + "#referencegrant")
def reference_grant_missing(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A reference of the Gateway API into another namespace that does not allow it.

    That namespace has to have a ReferenceGrant for this kind and namespace. Without it a route's
    requests get a 500, and a listener has no certificate.
    """
    if not is_of_api(resource) or _in_mesh(resource):
        return
    for path, kind, entry in _across(resource):
        namespace, name = as_text(entry.get("namespace")), as_text(entry.get("name"))
        if namespace in {"", resource.namespace} or cluster.get(kind, namespace, name) is None:
            continue  # what is not there is another rule's
        grants = cluster.of_kind("ReferenceGrant", namespace=namespace)
        if any(_granted(grant, resource, kind, name) for grant in grants):
            continue
        effect = "requests get a 500" if resource.kind in ROUTES else "the listener can't be served"
        yield Problem(
            f"no ReferenceGrant of namespace {namespace} lets a {resource.kind} of namespace "
            f"{resource.namespace} refer to {kind} {name}: {effect}",
            fix=f"Add a ReferenceGrant to namespace {namespace}.",
            path=(*path, "namespace"),
            absent=namespace,
        )


def _in_mesh(route: Resource) -> bool:
    """Whether a route is of a mesh, between programs: its parent is a Service."""
    parents = each(route, "spec", "parentRefs")
    return any(parent.get("kind") == "Service" for _, parent in parents)


def _across(resource: Resource) -> Iterator[tuple[FieldPath, str, Manifest]]:
    """(place, kind, reference) of what a route or Gateway refers to."""
    for path, backend in backend_refs(resource):
        yield path, "Service", backend
    for path, secret in _certificates(resource):
        yield path, "Secret", secret


def _certificates(resource: Resource) -> Iterator[tuple[FieldPath, Manifest]]:
    for place, listener in each(resource, "spec", "listeners"):
        for spot, entry in each(listener, "tls", "certificateRefs"):
            if entry.get("kind", "Secret") == "Secret" and not entry.get("group"):
                yield (*place, *spot), entry


def _granted(grant: Resource, asking: Resource, kind: str, name: str) -> bool:
    origins = [entry for _, entry in each(grant, "spec", "from")]
    targets = [entry for _, entry in each(grant, "spec", "to")]
    allowed = any(
        (entry.get("group"), entry.get("kind"), entry.get("namespace"))
        == (asking.group, asking.kind, asking.namespace)
        for entry in origins
    )
    return allowed and any(
        entry.get("kind") == kind and not entry.get("group") and entry.get("name", name) == name
        for entry in targets
    )


# Kinds that are or make a Secret.
SECRET_MAKERS = ("Secret", "SealedSecret", "ExternalSecret", "Certificate")


@rule("gateway-certificate-missing", kinds=("Gateway",), source=SPEC + "#gatewaytlsconfig")
def gateway_certificate_missing(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A listener of a Gateway whose certificate's Secret is not there.

    The listener reports ResolvedRefs false and is not served. A cert-manager annotation on the
    Gateway makes the Secret. Where nothing in the tree makes a Secret for the namespace, somebody
    makes them outside, and nothing is said.
    """
    if not is_of_api(resource) or any("cert-manager.io/" in key for key in resource.annotations):
        return
    for path, entry in _certificates(resource):
        namespace = as_text(entry.get("namespace")) or resource.namespace
        name = as_text(entry.get("name"))
        made = any(cluster.of_kind(*SECRET_MAKERS, namespace=namespace))
        if name and made and find_store(cluster, "Secret", namespace, name) is None:
            yield Problem(
                f"nothing in the tree makes Secret {name} in namespace {namespace}: without it, "
                "the listener is not served",
                fix="Add a Certificate or a SealedSecret that makes it, or name it in the facts.",
                path=(*path, "name"),
                related=cluster.lookalikes("Secret", name),
                absent=namespace,
            )
