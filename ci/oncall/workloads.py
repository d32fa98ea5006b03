"""Whether a part's pods are there and ready: the Deployment's, and the database's.

An Application's health comes from Argo CD's controller and is as old as its last look; a pod that
is Pending leaves it Progressing for ever. The objects themselves come from the Kubernetes API at
once, through argocd-server.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from ci.argocd.application import time_of
from ci.argocd.client import ArgoError
from ci.argocd.environment import DATABASE, PARTS, SERVICE, live
from ci.tree import outside

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from ci.argocd.application import Application
    from ci.argocd.client import ArgoCD

    Json = Mapping[str, Any]

# What makes the pods of each part (base/).
WORKLOADS = dict(zip(PARTS, (("Deployment", SERVICE), ("StatefulSet", "postgresql")), strict=True))
# A rollout, or a pod that moves, takes less.
SHORT_FOR = timedelta(minutes=1)


class Readiness(NamedTuple):
    """How many pods are ready of how many.

    Attributes:
        shown: such as `1/1`; empty when it is not known.
        problem: a sentence; empty when all are ready.
        is_fault: whether somebody must look, since it has been so for a minute.
    """

    shown: str = ""
    problem: str = ""
    is_fault: bool = False


def is_outside(app: Application) -> bool:
    """Whether git has the database of this Application outside the cluster.

    What git had before is left over on the cluster, since nothing of a database is pruned.
    """
    return any(
        each.kind == "ConfigMap" and each.name == outside.CA and not each.left_over
        for each in app.resources
    )


def readiness(api: ArgoCD, app: Application, part: str, now: datetime) -> Readiness:
    """Count a part's ready pods, and find out since when some are not.

    Args:
        api: Argo CD.
        app: the part's Application.
        part: coworking or postgres.
        now: the time.
    """
    if part == DATABASE and is_outside(app):
        return Readiness()  # whether it answers is what the service's own readiness asks
    kind, name = WORKLOADS[part]
    found = live(api, app, kind, name)
    if not found:
        return Readiness("", f"{kind}/{name} is not in the cluster", is_fault=not app.busy)
    wanted = int(found["spec"].get("replicas", 1))
    ready = int((found.get("status") or {}).get("readyReplicas", 0))
    shown = f"{ready}/{wanted}"
    if wanted == 0:
        return Readiness(shown, f"{kind}/{name} is scaled to 0 pods", is_fault=True)
    if ready >= wanted:
        return Readiness(shown)
    since = _short_since(api, app, name)
    problem = f"{ready} of {wanted} pods of {kind}/{name} are ready"
    if since is None:  # no pod at all: nothing tells how long
        return Readiness(shown, problem, is_fault=not app.busy)
    long_enough = now - since >= SHORT_FOR
    return Readiness(shown, f"{problem}, since {since:%H:%M:%S} UTC", is_fault=long_enough)


def _short_since(api: ArgoCD, app: Application, name: str) -> datetime | None:
    """When the first of its pods that aren't ready stopped to be so; None when there is none."""
    nodes = api.resource_tree(app.name).get("nodes") or []
    makers = {node["uid"] for node in nodes if node["kind"] in ("ReplicaSet", "StatefulSet")}
    times = []
    for node in nodes:
        owners = {parent.get("uid") for parent in node.get("parentRefs") or []}
        if node["kind"] != "Pod" or not owners & makers or not node["name"].startswith(f"{name}-"):
            continue
        since = _not_ready_since(api, app, node)
        if since is not None:
            times.append(since)
    return min(times, default=None)


def _not_ready_since(api: ArgoCD, app: Application, node: Mapping[str, Any]) -> datetime | None:
    try:
        pod = api.resource(app.name, node)
    except ArgoError:  # it is gone by now
        return None
    conditions = (pod.get("status") or {}).get("conditions") or ()
    ready: Json = next((one for one in conditions if one["type"] == "Ready"), {})
    if ready.get("status") == "True":
        return None
    return time_of(ready.get("lastTransitionTime") or pod["metadata"].get("creationTimestamp"))
