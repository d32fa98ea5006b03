"""The Gateway API's routes: which kinds there are, and where they lead.

Source: https://gateway-api.sigs.k8s.io/reference/spec/.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from treecheck.model import as_text, each

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.model import FieldPath, Manifest, Resource

GROUP = "gateway.networking.k8s.io"
ROUTES = ("GRPCRoute", "HTTPRoute", "TCPRoute", "TLSRoute", "UDPRoute")
NAME_LABEL = "kubernetes.io/metadata.name"  # that every Namespace has


def is_of_api(resource: Resource) -> bool:
    """Whether a resource is of the Gateway API, and not of another group's kind of that name."""
    return resource.group.endswith(GROUP)


def backend_refs(route: Resource) -> Iterator[tuple[FieldPath, Manifest]]:
    """The Services that a route's rules, and their filters that mirror, lead to."""
    for place, item in each(route, "spec", "rules"):
        for spot, backend in each(item, "backendRefs"):
            if as_text(backend.get("kind") or "Service") == "Service" and not backend.get("group"):
                yield (*place, *spot), backend
