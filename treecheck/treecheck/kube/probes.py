"""The probes of a pod's containers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treecheck.model import as_mapping, containers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.model import FieldPath, Manifest, Resource

PROBES = ("livenessProbe", "readinessProbe", "startupProbe")


def network_probes(resource: Resource) -> Iterator[tuple[FieldPath, Manifest, str, str]]:
    """(container's path, container, probe, handler) of the probes that ask a port."""
    for path, container in containers(resource):
        for name in PROBES:
            for handler in ("httpGet", "tcpSocket", "grpc"):
                asked = as_mapping(container.get(name)).get(handler)
                # With a host of its own, a probe asks somebody else.
                if isinstance(asked, dict) and "host" not in asked:
                    yield path, container, name, handler
