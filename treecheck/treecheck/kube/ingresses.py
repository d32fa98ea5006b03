"""Where an Ingress leads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treecheck.model import as_list, as_mapping

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.model import FieldPath, Manifest, Resource


def backends(ingress: Resource) -> Iterator[tuple[FieldPath, Manifest]]:
    """(place, backend) of an Ingress's default and its paths."""
    if "defaultBackend" in ingress.spec:
        yield ("spec", "defaultBackend"), as_mapping(ingress.spec["defaultBackend"])
    for number, each in enumerate(map(as_mapping, as_list(ingress.spec.get("rules")))):
        paths = as_list(as_mapping(each.get("http")).get("paths"))
        for index, entry in enumerate(map(as_mapping, paths)):
            where = ("spec", "rules", number, "http", "paths", index, "backend")
            yield where, as_mapping(entry.get("backend"))
