"""Autoscalers and disruption budgets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treecheck.kube.pages import validation
from treecheck.kube.workloads import bad_share
from treecheck.model import Problem, as_list, as_mapping, as_text
from treecheck.quantities import quantity
from treecheck.registry import rule
from treecheck.typed import of_type
from treecheck.wording import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import FieldPath, Manifest, Resource

_HPA = validation("autoscaling")
_METRICS = {
    "Resource": "resource",
    "ContainerResource": "containerResource",
    "Pods": "pods",
    "Object": "object",
    "External": "external",
}
_TARGETS = {
    "Utilization": "averageUtilization",
    "AverageValue": "averageValue",
    "Value": "value",
}


@rule("hpa-bounds", source=_HPA, kinds=("HorizontalPodAutoscaler",))
def hpa_bounds(resource: Resource, _cluster: Cluster) -> Iterator[Problem]:
    """An autoscaler whose minimum is larger than its maximum.

    `minReplicas` is 1 unless said.
    """
    low, high = resource.spec.get("minReplicas", 1), resource.spec.get("maxReplicas")
    if isinstance(high, int) and low > high > 0:
        yield Problem(
            f"minReplicas ({low}) is larger than maxReplicas ({high})",
            fix="Raise maxReplicas, or lower minReplicas.",
            path=("spec", "maxReplicas"),
        )


@rule("hpa-metric", source=_HPA, kinds=("HorizontalPodAutoscaler",))
def hpa_metric(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A metric of an autoscaler that is not of the type it says, or without its target.

    A metric of type Resource has `resource` and nothing else; a target of type Utilization has
    `averageUtilization`, one of type Value `value`, one of type AverageValue `averageValue`.
    """
    for path, metric in of_type(resource, cluster, "autoscaling.v2.MetricSpec"):
        wanted = _METRICS.get(as_text(metric.get("type")))
        extra = [field for field in _METRICS.values() if field in metric and field != wanted]
        if wanted and (wanted not in metric or extra):
            field = wanted if wanted not in metric else extra[0]
            verb = "lacks" if wanted not in metric else "can't have"
            yield Problem(
                f"a metric of type {metric['type']} {verb} {field}",
                fix=f"Give it {wanted}, and no other.",
                path=(*path, field),
            )
    for path, target in of_type(resource, cluster, "autoscaling.v2.MetricTarget"):
        yield from _target(path, target)


def _target(path: FieldPath, target: Manifest) -> Iterator[Problem]:
    source = str(path[-2])
    if source in {"resource", "containerResource"}:
        allowed: tuple[str, ...] = ("averageUtilization", "averageValue")
    else:
        allowed = (
            ("value", "averageValue") if source in {"object", "external"} else ("averageValue",)
        )
    both = source not in {"object", "pods"} and all(field in target for field in allowed)
    if both:
        yield Problem(
            f"the target has {' and '.join(allowed)}, of which it can have one",
            fix=f"Keep {_TARGETS.get(as_text(target.get('type')), allowed[0])}.",
            path=(*path, allowed[1]),
        )
    if not any(field in target for field in allowed):
        yield Problem(
            f"the target has none of {', '.join(allowed)}",
            fix=f"Set {_TARGETS.get(as_text(target.get('type')), allowed[0])}.",
            path=path,
        )
    for field in ("averageValue", "value"):
        amount = quantity(target.get(field, 1))
        if amount is not None and amount <= 0:
            yield Problem(
                f"{field} is {target[field]}, and must be more than 0",
                fix="Write an amount above 0.",
                path=(*path, field),
            )


@rule(
    "disruption-budget",
    source=validation("policy"),
    kinds=("PodDisruptionBudget",),
)
def disruption_budget(resource: Resource, _cluster: Cluster) -> Iterator[Problem]:
    """A disruption budget that is not a number or a percentage.

    Whole numbers from 0, or percentages from 0% to 100%.
    """
    for field in ("minAvailable", "maxUnavailable"):
        reason = bad_share(resource.spec.get(field, 0))
        if reason:
            yield Problem(
                f"{field} is {shown(resource.spec[field])}, {reason}",
                fix="Write a number such as 1, or a percentage such as 50%.",
                path=("spec", field),
            )


@rule("claim-size", source=validation("core"))
def claim_size(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A claim or volume of no size, or with access modes that exclude each other.

    The size must be more than 0. ReadWriteOncePod excludes every other mode.
    """
    for kind, field in (
        ("core.v1.VolumeResourceRequirements", "requests"),
        ("core.v1.PersistentVolumeSpec", "capacity"),
    ):
        for path, value in of_type(resource, cluster, kind):
            amount = quantity(as_mapping(value.get(field)).get("storage", 1))
            if amount is not None and amount <= 0:
                yield Problem(
                    "the size is not more than 0",
                    fix="Write a size such as 10Gi.",
                    path=(*path, field, "storage"),
                )
    for path, spec in of_type(resource, cluster, "core.v1.PersistentVolumeClaimSpec"):
        modes = as_list(spec.get("accessModes"))
        if "ReadWriteOncePod" in modes and len(modes) > 1:
            yield Problem(
                "ReadWriteOncePod excludes every other access mode",
                fix="Keep one of the modes.",
                path=(*path, "accessModes"),
            )
