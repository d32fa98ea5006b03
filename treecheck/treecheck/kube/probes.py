"""The probes of a pod's containers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treecheck.kube.ports import container_ports, find, names_number
from treecheck.model import as_list, as_mapping, at, containers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.model import FieldPath, Manifest, Resource

PROBES = ("livenessProbe", "readinessProbe", "startupProbe")


def asks(container: Manifest, number: int) -> bool:
    """Whether a probe of a container asks a port: by its number or name, or by a command."""
    for name in PROBES:
        if names_number(as_list(at(container, name, "exec", "command")), number):
            return True
        for handler in ("httpGet", "tcpSocket", "grpc"):
            wanted = at(container, name, handler, "port")
            port = find(container_ports(container), wanted) if wanted else None
            if wanted == number or (port is not None and port.number == number):
                return True
    return False


def network_probes(resource: Resource) -> Iterator[tuple[FieldPath, Manifest, str, str]]:
    """(container's path, container, probe, handler) of the probes that ask a port."""
    for path, container in containers(resource):
        for name in PROBES:
            for handler in ("httpGet", "tcpSocket", "grpc"):
                asked = as_mapping(container.get(name)).get(handler)
                # With a host of its own, a probe asks somebody else.
                if isinstance(asked, dict) and "host" not in asked:
                    yield path, container, name, handler
