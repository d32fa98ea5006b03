"""Quotas of a namespace that leave no room for a pod of it."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from treecheck.kube.quotas import COUNTED, amount_shown, asked, given, is_scoped, total
from treecheck.model import Problem, as_mapping
from treecheck.quantities import quantity
from treecheck.registry import rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import Resource

QUOTAS = "https://kubernetes.io/docs/concepts/policy/resource-quotas/"


@rule("quota-below-one-pod", kinds=("ResourceQuota",), source=QUOTAS)
def quota_below_one_pod(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A quota that is less than one pod of its namespace asks for.

    The API server refuses the pod: exceeded quota. The Deployment is there, and never gets it. What
    a LimitRange gives a container that says nothing counts too. A quota
    of some pods only, by scopes, is left alone.
    """
    if is_scoped(resource):
        return
    for name, written in as_mapping(resource.spec.get("hard")).items():
        most = quantity(written)
        if name not in COUNTED or most is None:
            continue
        defaults = given(cluster, resource.namespace)
        pods = cluster.pods(resource.namespace)
        asking = [(total(pod, *COUNTED[name], defaults), pod) for pod in pods]
        amount, pod = max(asking, key=lambda pair: pair[0], default=(Decimal(0), None))
        if pod is not None and amount > most:
            field, what = COUNTED[name]
            yield Problem(
                f"{name} is {written}, and each pod of {pod.owner.title} has {what} {field} of "
                f"{amount_shown(amount, what)}: the API server refuses the pod",
                fix="Raise the quota, or let the pod ask for less.",
                path=("spec", "hard", name),
                related=(pod.owner,),
            )


@rule("quota-asks-for-more", source=QUOTAS + "#requests-vs-limits")
def quota_asks_for_more(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A container that does not say what a quota of its namespace counts.

    With a quota of `limits.memory` the API server refuses each pod with a container that has no
    memory limit, unless a LimitRange gives it one.
    """
    pod = resource.pod
    if pod is None:
        return
    defaults = given(cluster, resource.namespace)
    for quota in cluster.of_kind("ResourceQuota", namespace=resource.namespace):
        if is_scoped(quota):
            continue
        for name in as_mapping(quota.spec.get("hard")):
            field, what = COUNTED.get(name, ("", ""))
            for path, container in pod.containers() if field else ():
                if asked(container, field, what, defaults) is None:
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
