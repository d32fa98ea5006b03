"""Quotas of a namespace that leave no room for a pod of it."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from treecheck.model import Problem, as_mapping
from treecheck.quantities import quantity
from treecheck.registry import rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import PodTemplate, Resource

QUOTAS = "https://kubernetes.io/docs/concepts/policy/resource-quotas/"
# A quota's name -> the field of a container's resources, and the resource.
COUNTED = {
    "cpu": ("requests", "cpu"),
    "memory": ("requests", "memory"),
    "requests.cpu": ("requests", "cpu"),
    "requests.memory": ("requests", "memory"),
    "limits.cpu": ("limits", "cpu"),
    "limits.memory": ("limits", "memory"),
}


@rule("quota-below-one-pod", kinds=("ResourceQuota",), source=QUOTAS)
def quota_below_one_pod(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A quota that is less than one pod of its namespace asks for.

    The API server refuses the pod: exceeded quota. The Deployment is there, and never gets it. A
    quota of some pods only, by scopes, is left alone.
    """
    if "scopes" in resource.spec or "scopeSelector" in resource.spec:
        return
    for name, written in as_mapping(resource.spec.get("hard")).items():
        most = quantity(written)
        if name not in COUNTED or most is None:
            continue
        asked = [(_total(pod, *COUNTED[name]), pod) for pod in cluster.pods(resource.namespace)]
        amount, pod = max(asked, key=lambda pair: pair[0], default=(Decimal(0), None))
        if pod is not None and amount > most:
            field, what = COUNTED[name]
            yield Problem(
                f"{name} is {written}, and each pod of {pod.owner.title} has {what} {field} of "
                f"{_shown(amount, what)}: the API server refuses the pod",
                fix="Raise the quota, or let the pod ask for less.",
                path=("spec", "hard", name),
                related=(pod.owner,),
            )


def _total(pod: PodTemplate, field: str, what: str) -> Decimal:
    """What a pod's containers ask for together; a limit alone counts as the request."""
    total = Decimal(0)
    for _, container in pod.containers("containers"):
        resources = as_mapping(container.get("resources"))
        limit = as_mapping(resources.get("limits")).get(what)
        amount = quantity(as_mapping(resources.get(field)).get(what, limit) or 0)
        total += amount or Decimal(0)
    return total


def _shown(amount: Decimal, what: str) -> str:
    if what == "memory":
        return f"{amount / 2**20:.0f}Mi"
    return f"{amount * 1000:.0f}m"


@rule("quota-asks-for-more", source=QUOTAS + "#requests-vs-limits")
def quota_asks_for_more(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A container that does not say what a quota of its namespace counts.

    With a quota of `limits.memory` the API server refuses each pod with a container that has no
    memory limit, unless a LimitRange gives it one.
    """
    pod = resource.pod
    if pod is None or any(cluster.of_kind("LimitRange", namespace=resource.namespace)):
        return
    for quota in cluster.of_kind("ResourceQuota", namespace=resource.namespace):
        if "scopes" in quota.spec or "scopeSelector" in quota.spec:
            continue
        for name in as_mapping(quota.spec.get("hard")):
            field, what = COUNTED.get(name, ("", ""))
            for path, container in pod.containers() if field else ():
                resources = as_mapping(container.get("resources"))
                said = as_mapping(resources.get(field)) | as_mapping(resources.get("limits"))
                if what not in (said if field == "requests" else as_mapping(resources.get(field))):
                    yield Problem(
                        f"container {container.get('name')} has no {field}.{what}, which "
                        f"ResourceQuota {quota.name} counts: the API server refuses the pod",
                        fix=f"Set resources.{field}.{what}, or add a LimitRange with a default.",
                        path=(*path, "resources" if "resources" in container else "name"),
                        related=(quota,),
                        cause=f"{resource.title} {quota.name}",
                        absent=resource.namespace,
                    )
                    return
