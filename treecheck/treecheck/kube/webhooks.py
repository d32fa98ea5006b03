"""The Services that what extends the API server calls: webhooks, aggregated APIs, conversions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treecheck.model import as_mapping, at, each

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.model import FieldPath, Manifest, Resource


def called(resource: Resource) -> Iterator[tuple[FieldPath, Manifest]]:
    """The Services that an extension of the API server calls."""
    if resource.kind == "APIService" and "service" in resource.spec:
        yield ("spec", "service"), as_mapping(resource.spec["service"])
    converts = at(resource.spec, "conversion", "webhook", "clientConfig", "service")
    if resource.kind == "CustomResourceDefinition" and converts:
        path: FieldPath = ("spec", "conversion", "webhook", "clientConfig", "service")
        yield path, as_mapping(converts)
    for place, webhook in each(resource, "webhooks"):
        client = as_mapping(webhook.get("clientConfig"))
        if "service" in client:
            yield (*place, "clientConfig", "service"), as_mapping(client["service"])
