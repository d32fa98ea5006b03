"""The ports on which an nginx listens by its mounted configuration."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from treecheck.kube.config import find_store
from treecheck.kube.mounts import mounts
from treecheck.kube.ports import container_ports, find
from treecheck.kube.probes import network_probes
from treecheck.model import Problem, as_mapping, as_text
from treecheck.registry import rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.kube.config import Store
    from treecheck.model import Manifest, Resource

SETTINGS, SERVERS = PurePosixPath("/etc/nginx"), PurePosixPath("/etc/nginx/conf.d")
_COMMENT = re.compile(r"#.*")
_SERVER = re.compile(r"\bserver\s*\{")
_LISTEN = re.compile(r"\blisten\s+(?:[\w.*]+:|\[[\da-fA-F:]+\]:)?(\d+)(?:\s[^;]*)?;")


@rule(
    "nginx-port-unserved",
    source="https://nginx.org/en/docs/http/ngx_http_core_module.html#listen",
    unless=("listen-port-undeclared", "probe-port-unknown", "config-missing"),
)
def nginx_port_unserved(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A probe of an nginx on a port for which its configuration has no `listen`.

    The kubelet's connection is refused: the pod is never ready, and a liveness probe restarts it
    for ever. Looked at is the only container of a pod, where a ConfigMap of the tree is its whole
    `/etc/nginx/conf.d` and no server there listens on a port that the container declares.
    """
    if resource.pod is None or len(list(resource.pod.containers())) != 1:
        return
    for _, container, name, handler in network_probes(resource):
        found = _servers(resource, cluster, container)
        served = _listens(found) if found else set()
        port = find(container_ports(container), as_mapping(container[name])[handler].get("port", 0))
        declared = {each.number for each in container_ports(container)}
        if found and served and port and not served & declared:
            ports = ", ".join(map(str, sorted(served)))
            yield Problem(
                f"nginx listens on {ports} only, and the {name} of container "
                f"{container.get('name')} in {resource.title} asks {port.number}: the pod is never "
                "ready",
                fix=f"Write listen {port.number}, or let containerPort and Services follow.",
                path=("data", next(iter(found.values))),
                resource=found.resource,
                related=(resource,),
                cause=resource.title,
            )
            return


def _servers(resource: Resource, cluster: Cluster, container: Manifest) -> Store | None:
    """The ConfigMap that is a container's /etc/nginx/conf.d, if nothing else is in /etc/nginx."""
    mine = [
        each for each in mounts(resource, cluster) if SETTINGS in (each.place, *each.place.parents)
    ]
    if len(mine) != 1 or mine[0].place != SERVERS or {"command", "args"} & set(container):
        return None
    source = as_mapping(mine[0].volume.get("configMap"))
    if "subPath" in mine[0].body or "items" in source:
        return None
    store = find_store(cluster, "ConfigMap", resource.namespace, as_text(source.get("name")))
    return store if store and store.resource and store.keys == frozenset(store.values) else None


def _listens(store: Store) -> set[int]:
    """The ports of all servers in the files of a ConfigMap; none where one is unknown."""
    text = "\n".join(
        _COMMENT.sub("", value) for key, value in store.values.items() if key.endswith(".conf")
    )
    ports = {int(port) for port in _LISTEN.findall(text)}
    told = len(_LISTEN.findall(text)) == len(re.findall(r"\blisten\b", text))
    each_has_one = len(_SERVER.findall(text)) <= len(ports)
    return ports if told and each_has_one and not re.search(r"\binclude\b", text) else set()
