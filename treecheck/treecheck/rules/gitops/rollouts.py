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
    from treecheck.model import FieldPath, Resource

WORKLOADS = ("DaemonSet", "Deployment", "StatefulSet")
CONTAINERS = ("spec", "template", "spec", "containers")
SPEC = ("spec",)
SOURCE = ("spec", "source")


@rule(
    "rollout-ignored",
    scope=Scope.CLUSTER,
    source="https://argo-cd.readthedocs.io/en/release-3.4/user-guide/sync-options/"
    "#respect-ignore-difference-configs",
    unless=("ignored-difference",),
)
def rollout_ignored(cluster: Cluster) -> Iterator[Problem]:
    """An Application that leaves a workload's pods, or another's whole spec, alone at each sync.

    With RespectIgnoreDifferences=true a sync does not write what ignoreDifferences names. Where
    that is `/spec/template`, what is above it or all of its containers, the first sync makes the
    pods, and no new image, variable or probe in git ever reaches them; Argo CD shows Synced.
    So it is with the whole `/spec` of any other kind, and with an Application's `/spec/source`.
    A single field below a container, such as its image, may be another program's and is left alone.
    """
    for application in applications(cluster):
        if not keeps_ignored(application) or not application.spec.get("ignoreDifferences"):
            continue
        for resource in resources_of(cluster, application):
            for path, pointer in ignored_pointers(application, resource):
                reaches = _never_reached(resource, steps(pointer))
                if reaches:
                    yield Problem(
                        f"no sync writes {pointer} of {resource.title}: {reaches}",
                        fix="Ignore only the field that something else sets, such as "
                        "/spec/replicas.",
                        path=path,
                        resource=application,
                        related=(resource,),
                        cause=f"{application.name} {pointer}",
                    )


def _never_reached(resource: Resource, places: FieldPath) -> str:
    """What git changes in vain when no sync writes these fields; "" where that may be meant."""
    if resource.kind in WORKLOADS:
        whole = bool(places) and CONTAINERS[: len(places)] == places
        return "a new version in git never reaches its pods" if whole else ""
    whole = places == SPEC or (resource.kind == "Application" and places == SOURCE)
    return "a change of it in git never reaches the cluster" if whole else ""
