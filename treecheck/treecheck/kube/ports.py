"""The ports that pods declare, and how a Service or a probe finds one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from treecheck.kube.names import fits
from treecheck.limits.words import PORT_NAME
from treecheck.model import as_list, as_mapping

if TYPE_CHECKING:
    from collections.abc import Iterable

    from treecheck.model import Manifest, PodTemplate

# The registered ports of servers that hold data (IANA service names).
DATABASES = {
    1433: "SQL Server", 1521: "Oracle", 2379: "etcd", 3306: "MySQL", 5432: "PostgreSQL",
    6379: "Redis", 9042: "Cassandra", 9200: "Elasticsearch", 11211: "memcached", 27017: "MongoDB",
}  # fmt: skip


class Port(NamedTuple):
    """A declared container port; `name` may be empty."""

    name: str
    number: int
    protocol: str


def container_ports(container: Manifest) -> list[Port]:
    """The ports that one container declares."""
    return [
        Port(str(port.get("name") or ""), port["containerPort"], port.get("protocol") or "TCP")
        for port in map(as_mapping, as_list(container.get("ports")))
        if isinstance(port.get("containerPort"), int)
    ]


def pod_ports(pod: PodTemplate) -> list[Port]:
    """The ports of a pod's containers, sidecars (init containers that restart) included."""
    found: list[Port] = []
    for path, container in pod.containers():
        if "initContainers" not in path or container.get("restartPolicy") == "Always":
            found += container_ports(container)
    return found


def names_port(container: Manifest, number: int | str) -> bool:
    """Whether a container is told of a port by its number: in its command, arguments or variables.

    Then it may well listen there, though it doesn't declare the port.
    """
    told = [*as_list(container.get("command")), *as_list(container.get("args"))]
    told += [as_mapping(each).get("value") for each in as_list(container.get("env"))]
    return isinstance(number, int) and names_number(told, number)


def names_number(texts: Iterable[Any], number: int) -> bool:
    """Whether a number stands in one of some texts, and not inside of another or of an address."""
    alone = re.compile(rf"(?<![\d.]){number}(?![\d.]*\d)")
    return any(alone.search(str(each)) for each in texts)


def find(ports: Iterable[Port], wanted: int | str, protocol: str = "TCP") -> Port | None:
    """The port with this number or name, or None."""
    for port in ports:
        if port.protocol == protocol and wanted in (port.number, port.name):
            return port
    return None


def target_of(service_port: Manifest) -> int | str:
    """What a Service's port leads to in the pods: `targetPort`, by default `port` itself."""
    target: int | str = service_port.get("targetPort") or service_port.get("port") or 0
    return int(target) if isinstance(target, str) and target.isdecimal() else target


def shown(ports: Iterable[Port]) -> str:
    """Ports as a message lists them: `http (8080), dns (53/UDP)`."""
    texts = []
    for port in ports:
        number = f"{port.number}" if port.protocol == "TCP" else f"{port.number}/{port.protocol}"
        texts.append(f"{port.name} ({number})" if port.name else number)
    return ", ".join(dict.fromkeys(texts)) or "none"


def is_port(value: Any) -> bool:
    """Whether a value is a port's number or could be its name."""
    if isinstance(value, int):
        return 0 < value < 65536
    return isinstance(value, str) and fits(value, PORT_NAME)
