"""Argo CD's Applications: where they deploy to, and which resources of the tree they bring.

Source: https://argo-cd.readthedocs.io/en/release-3.4/operator-manual/application.yaml.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from treecheck.model import as_list, as_mapping, as_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import Manifest, Resource

GROUP = "argoproj.io"
# A duration as Go reads one; a plain number is of seconds.
DURATION = re.compile(r"-?\d+|-?((\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h))+")
# The cluster that Argo CD runs on, by its address and by its name.
IN_CLUSTER, IN_CLUSTER_NAME = "https://kubernetes.default.svc", "in-cluster"


def applications(cluster: Cluster) -> Iterator[Resource]:
    """The Applications of the tree."""
    for each in cluster.of_kind("Application"):
        if each.group == GROUP:
            yield each


def sources(application: Resource) -> list[Manifest]:
    """An Application's sources, one or several."""
    several = as_list(application.spec.get("sources"))
    return list(map(as_mapping, several or [application.spec.get("source")]))


def destination(application: Resource) -> Manifest:
    """An Application's destination."""
    return as_mapping(application.spec.get("destination"))


def cluster_of(application: Resource) -> str:
    """The cluster that an Application means, by its address or else by its name.

    A misspelt address or name of Argo CD's own cluster counts as that cluster: one rule reports it,
    and the others see the resources where they were meant to be.
    """
    where = destination(application)
    server, name = as_text(where.get("server")), as_text(where.get("name"))
    if means_own_cluster(server, name):
        return IN_CLUSTER
    return server or name


def means_own_cluster(server: str, name: str) -> bool:
    """Whether a destination is Argo CD's own cluster, or can only be a slip for it."""
    if server:
        host = server.rpartition("://")[2]
        return host == "kubernetes" or host.startswith(("kubernetes.default", "kubernetes.svc"))
    return name.casefold().replace("_", "").replace("-", "") == IN_CLUSTER_NAME.replace("-", "")


def sync_policy(application: Resource) -> Manifest:
    """An Application's syncPolicy."""
    return as_mapping(application.spec.get("syncPolicy"))


def sync_options(application: Resource) -> list[str]:
    """The options of an Application's syncPolicy."""
    return [as_text(option) for option in as_list(sync_policy(application).get("syncOptions"))]


def resources_of(cluster: Cluster, application: Resource) -> list[Resource]:
    """The resources of the tree that an Application brings, as far as the tree has its path."""
    return [each for each in cluster.resources if each.part.name == application.name]


def project_of(cluster: Cluster, application: Resource) -> Resource | None:
    """The AppProject that an Application names, in its own namespace."""
    name = as_text(application.spec.get("project")) or "default"
    return cluster.get("AppProject", application.namespace, name)
