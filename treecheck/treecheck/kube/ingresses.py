"""Where an Ingress leads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treecheck.model import as_list, as_mapping, as_text, each

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import FieldPath, Manifest, Resource

ACTIONS = "alb.ingress.kubernetes.io/actions."


ALB_CONTROLLER = "ingress.k8s.aws/alb"


def is_alb(ingress: Resource, cluster: Cluster) -> bool:
    """Whether the AWS load balancer controller serves an Ingress."""
    legacy = ingress.annotations.get("kubernetes.io/ingress.class")
    name = as_text(ingress.spec.get("ingressClassName") or legacy)
    known = cluster.get("IngressClass", "", name)
    return name == "alb" or (known is not None and known.spec.get("controller") == ALB_CONTROLLER)


def backends(ingress: Resource) -> Iterator[tuple[FieldPath, Manifest]]:
    """(place, backend) of an Ingress's default and its paths.

    A backend of the AWS load balancer that an annotation describes is left out: it is not a
    Service.
    """
    for path, backend in _written(ingress):
        service = as_mapping(backend.get("service"))
        by_annotation = as_mapping(service.get("port")).get("name") == "use-annotation"
        if not (by_annotation and f"{ACTIONS}{service.get('name')}" in ingress.annotations):
            yield path, backend


def _written(ingress: Resource) -> Iterator[tuple[FieldPath, Manifest]]:
    if "defaultBackend" in ingress.spec:
        yield ("spec", "defaultBackend"), as_mapping(ingress.spec["defaultBackend"])
    for place, item in each(ingress, "spec", "rules"):
        paths = as_list(as_mapping(item.get("http")).get("paths"))
        for index, entry in enumerate(map(as_mapping, paths)):
            where = (*place, "http", "paths", index, "backend")
            yield where, as_mapping(entry.get("backend"))
