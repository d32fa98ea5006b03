"""Where an Ingress leads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treecheck.model import as_list, as_mapping, each

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.model import FieldPath, Manifest, Resource

ACTIONS = "alb.ingress.kubernetes.io/actions."


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
