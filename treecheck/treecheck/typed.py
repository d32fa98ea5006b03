"""The values in a manifest by their type in Kubernetes' API, wherever they occur.

A Probe is checked in the same way in every container of every workload: rules ask for all values of
a type instead of knowing each place where it may stand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from treecheck.model import FieldPath, Manifest
from treecheck.schemas import schemas, short

if TYPE_CHECKING:
    from treecheck.cluster import Cluster
    from treecheck.model import Resource

Typed = dict[str, list[tuple[FieldPath, Manifest]]]


def of_type(resource: Resource, cluster: Cluster, *names: str) -> list[tuple[FieldPath, Manifest]]:
    """(path, value) of every value of these types, such as `core.v1.Probe`, in a resource."""
    if resource.typed is None:
        resource.typed = _walk(resource, cluster.version)
    return [found for name in names for found in resource.typed.get(name, ())]


def _walk(resource: Resource, version: tuple[int, int]) -> Typed:
    known = schemas(version)
    root = known.kinds().get((resource.api_version, resource.kind))
    found: Typed = {}
    stack: list[tuple[FieldPath, Any, str]] = [((), resource.body, root)] if root else []
    while stack:
        path, value, definition = stack.pop()
        if not isinstance(value, dict):
            continue
        found.setdefault(short(definition), []).append((path, value))
        for field, (how, target) in known.fields(definition).items():
            inner = value.get(field)
            if inner is None:
                continue
            if how == "one":
                stack.append(((*path, field), inner, target))
            elif how == "list" and isinstance(inner, list):
                stack += [((*path, field, i), item, target) for i, item in enumerate(inner)]
            elif isinstance(inner, dict):
                stack += [((*path, field, key), item, target) for key, item in inner.items()]
    return found
