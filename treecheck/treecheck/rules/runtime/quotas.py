"""Quotas of a namespace that leave no room for a pod of it."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from treecheck.model import Problem, as_mapping, each
from treecheck.quantities import quantity
from treecheck.registry import rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import Manifest, PodTemplate, Resource

    # "limits" or "requests" -> resource -> amount.
    Given = dict[str, dict[str, Any]]

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

    The API server refuses the pod: exceeded quota. The Deployment is there, and never gets it. What
    a LimitRange gives a container that says nothing counts too. A
    quota of some pods only, by scopes, is left alone.
    """
    if "scopes" in resource.spec or "scopeSelector" in resource.spec:
        return
    for name, written in as_mapping(resource.spec.get("hard")).items():
        most = quantity(written)
        if name not in COUNTED or most is None:
            continue
        given = _given(cluster, resource.namespace)
        pods = cluster.pods(resource.namespace)
        asked = [(_total(pod, *COUNTED[name], given), pod) for pod in pods]
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


def _total(pod: PodTemplate, field: str, what: str, given: Given) -> Decimal:
    """What a pod's containers ask for together, with what LimitRanges give them."""
    total = Decimal(0)
    for _, container in pod.containers("containers"):
        total += quantity(_asked(container, field, what, given) or 0) or Decimal(0)
    return total


def _asked(container: Manifest, field: str, what: str, given: Given) -> Any:
    """What a container asks for, or None; a limit of its own alone counts as the request."""
    resources = as_mapping(container.get("resources"))
    own = as_mapping(resources.get(field)).get(what)
    if own is None and field == "requests":
        own = as_mapping(resources.get("limits")).get(what)
    return own if own is not None else given[field].get(what)


def _given(cluster: Cluster, namespace: str) -> Given:
    """What the LimitRanges of a namespace give a container that says nothing.

    A maximum stands for a default limit, and that, else a minimum, for a request.
    Source: https://kubernetes.io/docs/concepts/policy/limit-range/, and SetDefaults_LimitRangeItem
    of the API server.
    """
    found: Given = {"limits": {}, "requests": {}}
    for limits in cluster.of_kind("LimitRange", namespace=namespace):
        for _, item in each(limits, "spec", "limits"):
            if item.get("type") != "Container":
                continue
            keys = ("max", "default", "min", "defaultRequest")
            most, default, least, request = (as_mapping(item.get(key)) for key in keys)
            found["limits"] |= {**most, **default}
            found["requests"] |= {**least, **most, **default, **request}
    return found


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
    if pod is None:
        return
    given = _given(cluster, resource.namespace)
    for quota in cluster.of_kind("ResourceQuota", namespace=resource.namespace):
        if "scopes" in quota.spec or "scopeSelector" in quota.spec:
            continue
        for name in as_mapping(quota.spec.get("hard")):
            field, what = COUNTED.get(name, ("", ""))
            for path, container in pod.containers() if field else ():
                if _asked(container, field, what, given) is None:
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
