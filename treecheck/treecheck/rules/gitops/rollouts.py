"""What an Application tells Argo CD to leave alone, though new versions come by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treecheck.kube.applications import (
    applications,
    ignored_pointers,
    keeps_ignored,
    resources_of,
    steps,
)
from treecheck.model import Problem
from treecheck.registry import Scope, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster

WORKLOADS = ("DaemonSet", "Deployment", "StatefulSet")
CONTAINERS = ("spec", "template", "spec", "containers")


@rule(
    "rollout-ignored",
    scope=Scope.CLUSTER,
    source="https://argo-cd.readthedocs.io/en/release-3.4/user-guide/sync-options/"
    "#respect-ignore-difference-configs",
    unless=("ignored-difference",),
)
def rollout_ignored(cluster: Cluster) -> Iterator[Problem]:
    """An Application that leaves the pods of a workload alone at each sync.

    With RespectIgnoreDifferences=true a sync does not write what ignoreDifferences names. Where
    that is `/spec/template`, what is above it or all of its containers, the first sync makes the
    pods, and no new image, variable or probe in git ever reaches them; Argo CD shows Synced.
    A single field below a container, such as its image, may be another program's and is left alone.
    """
    for application in applications(cluster):
        if not keeps_ignored(application) or not application.spec.get("ignoreDifferences"):
            continue
        for resource in resources_of(cluster, application):
            for path, pointer in ignored_pointers(application, resource):
                places = steps(pointer)
                if resource.kind in WORKLOADS and places and CONTAINERS[: len(places)] == places:
                    yield Problem(
                        f"no sync writes {pointer} of {resource.title}: a new version in git never "
                        "reaches its pods",
                        fix="Ignore only the field that something else sets, such as "
                        "/spec/replicas.",
                        path=path,
                        resource=application,
                        related=(resource,),
                        cause=f"{application.name} {pointer}",
                    )
