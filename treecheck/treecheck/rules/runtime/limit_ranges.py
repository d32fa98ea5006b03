"""Pods and claims that a LimitRange of their namespace does not let in."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from treecheck.kube.alternatives import may_meet
from treecheck.kube.quotas import amount_shown, asked, given, total
from treecheck.model import Problem, as_mapping, as_text, at, each
from treecheck.quantities import quantity
from treecheck.registry import Scope, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.kube.quotas import Given
    from treecheck.model import FieldPath, Manifest, PodTemplate, Resource

LIMIT_RANGES = "https://kubernetes.io/docs/concepts/policy/limit-range/"


@rule(
    "limit-range-exceeded",
    scope=Scope.CLUSTER,
    source=LIMIT_RANGES,
    unless=("limit-range", "resource-limits"),
)
def limit_range_exceeded(cluster: Cluster) -> Iterator[Problem]:
    """A pod or a claim outside the range that its namespace allows.

    A container's limit above the `max`, a request below the `min`, their ratio above
    `maxLimitRequestRatio`, the same of a pod's containers together, or the size of a claim. The
    workload is there and gets no pods. A request above the limit that a LimitRange gives by default
    is refused in the same way.
    """
    for limits in cluster.of_kind("LimitRange"):
        defaults = given(cluster, limits.namespace)
        for _, item in each(limits, "spec", "limits"):
            kind = as_text(item.get("type"))
            for pod in cluster.pods(limits.namespace):
                if not may_meet(limits, pod.owner, cluster):
                    continue
                found = _of_pod(pod, item, defaults) if kind == "Pod" else ()
                if kind == "Container":
                    found = _of_containers(pod, item, defaults)
                for path, wrong in found:
                    yield _problem(limits, pod.owner, path, wrong, "each of its pods")
                    break
            for path, owner, claim in _claims(cluster, limits.namespace):
                size = at(claim, "spec", "resources", "requests", "storage")
                wrong = _outside(item, "storage", size, size) if _is_claim(kind) else ""
                if wrong:
                    where = (*path, "spec", "resources", "requests", "storage")
                    yield _problem(limits, owner, where, wrong, "the claim")


def _is_claim(kind: str) -> bool:
    return kind == "PersistentVolumeClaim"


def _problem(limits: Resource, owner: Resource, path: FieldPath, wrong: str, what: str) -> Problem:
    return Problem(
        f"{wrong} of LimitRange {limits.name}: the API server refuses {what}",
        fix="Change the amount, or the LimitRange.",
        path=path,
        resource=owner,
        related=(limits,),
    )


def _claims(cluster: Cluster, namespace: str) -> Iterator[tuple[FieldPath, Resource, Manifest]]:
    """(path in it, resource, claim) of the claims of a namespace."""
    for claim in cluster.of_kind("PersistentVolumeClaim", namespace=namespace):
        yield (), claim, claim.body
    for owner in cluster.of_kind("StatefulSet", namespace=namespace):
        for path, template in each(owner, "spec", "volumeClaimTemplates"):
            yield path, owner, template


def _of_containers(
    pod: PodTemplate, item: Manifest, defaults: Given
) -> Iterator[tuple[FieldPath, str]]:
    """(place, what is wrong) of a pod's containers against a range for each of them."""
    for path, container in pod.containers():
        where = (*path, "resources" if "resources" in container else "name")
        for what in ("cpu", "memory", "ephemeral-storage"):
            limit = asked(container, "limits", what, defaults)
            request = asked(container, "requests", what, defaults)
            name = f"container {container.get('name')}: {what}: "
            wrong = _outside(item, what, request, limit)
            default = as_mapping(item.get("default")).get(what) or at(item, "max", what)
            own = as_mapping(at(container, "resources", "limits")).get(what)
            if not wrong and own is None and default is not None and _above(request, default):
                wrong = f"the request {request} is above the default limit {default}"
            if wrong:
                yield where, name + wrong


def _of_pod(pod: PodTemplate, item: Manifest, defaults: Given) -> Iterator[tuple[FieldPath, str]]:
    """(place, what is wrong) of a pod against a range for all of its containers."""
    for what in ("cpu", "memory"):
        amounts = [total(pod, field, what, defaults) for field in ("requests", "limits")]
        request, limit = (amount_shown(one, what) if one else None for one in amounts)
        wrong = _outside(item, what, request, limit)
        if wrong:
            yield (*pod.spec_path, "containers"), f"all containers together: {what}: {wrong}"


def _outside(item: Manifest, what: str, request: object, limit: object) -> str:
    """What of a range an amount leaves, or ""."""
    most, least = (as_mapping(item.get(bound)).get(what) for bound in ("max", "min"))
    if most is not None and _above(limit, most):
        return f"{limit} is above the max {most}"
    if least is not None and request is not None and _above(least, request):
        return f"{request} is below the min {least}"
    ratio = quantity(at(item, "maxLimitRequestRatio", what))
    one, other = quantity(limit), quantity(request)
    if ratio and one and other and one / other > ratio:
        return f"the limit {limit} is more than {ratio:f} times the request {request}, the ratio"
    return ""


def _above(one: object, other: object) -> bool:
    """Whether an amount is above another; not where one of them can't be read."""
    first, second = quantity(one), quantity(other)
    return (first or Decimal(0)) > second if first is not None and second is not None else False
