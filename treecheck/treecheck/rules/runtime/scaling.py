"""Autoscalers: can they measure, and does anything work against them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treecheck.kube.applications import applications, ignored_pointers, keeps_ignored
from treecheck.kube.workloads import TAKES_OVER, autoscalers, is_paused, limits, scale_target
from treecheck.model import Problem, Severity, as_list, as_mapping, as_text, at, each
from treecheck.registry import Family, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import Manifest, Resource

HPA = "https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/"


@rule("hpa-without-request", kinds=("HorizontalPodAutoscaler",), source=HPA)
def hpa_without_request(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """An autoscaler on utilization of containers that request nothing.

    Utilization is a share of the request. Where one container of the pod has none, the HPA reports
    FailedGetResourceMetric and never scales. A limit alone counts as the request, and so does what
    a VerticalPodAutoscaler sets.
    """
    target = as_mapping(resource.spec.get("scaleTargetRef"))
    workload = cluster.get(
        as_text(target.get("kind")), resource.namespace, as_text(target.get("name"))
    )
    if workload is None or workload.pod is None or _is_sized(workload, cluster):
        return
    for name, only in _utilization(resource):
        for path, container in workload.pod.containers("containers"):
            asked = as_mapping(container.get("resources"))
            has = {*as_mapping(asked.get("requests")), *as_mapping(asked.get("limits"))}
            if name not in has and only in (None, container.get("name")):
                yield Problem(
                    f"HorizontalPodAutoscaler {resource.name} scales it on {name} utilization, and "
                    f"container {container.get('name')} requests no {name}: nothing can be "
                    "measured, and it never scales",
                    fix=f"Set resources.requests.{name} on every container of the workload.",
                    path=(*path, "resources") if "resources" in container else (*path, "name"),
                    resource=workload,
                    related=(resource,),
                )


def _is_sized(workload: Resource, cluster: Cluster) -> bool:
    """Whether a VerticalPodAutoscaler sets a workload's requests."""
    return any(
        (target.get("kind"), target.get("name")) == (workload.kind, workload.name)
        and at(vpa.spec, "updatePolicy", "updateMode") != "Off"
        for vpa in cluster.of_kind("VerticalPodAutoscaler", namespace=workload.namespace)
        for target in [as_mapping(vpa.spec.get("targetRef"))]
    )


def _utilization(hpa: Resource) -> Iterator[tuple[str, str | None]]:
    """(resource, container or None for all) of the metrics that are shares of a request."""
    if "targetCPUUtilizationPercentage" in hpa.spec:  # autoscaling/v1
        yield "cpu", None
    for metric in map(as_mapping, as_list(hpa.spec.get("metrics"))):
        for field in ("resource", "containerResource"):
            measured: Manifest = as_mapping(metric.get(field))
            if as_mapping(measured.get("target")).get("type") == "Utilization":
                yield as_text(measured.get("name")), measured.get("container")


@rule(
    "hpa-range-of-one",
    family=Family.POLICY,
    kinds=("HorizontalPodAutoscaler",),
    source=HPA,
    severity=Severity.WARNING,
)
def hpa_range_of_one(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """An autoscaler whose smallest number of pods is its largest.

    It measures, and never scales. Where that is intended, `replicas` says it plainly.
    """
    least, most = resource.spec.get("minReplicas", 1), resource.spec.get("maxReplicas")
    if least == most:
        yield Problem(
            f"minReplicas and maxReplicas are both {most}: it never scales",
            fix="Raise maxReplicas, or remove the autoscaler and set replicas.",
            path=("spec", "maxReplicas"),
        )


@rule("hpa-target-type", kinds=("HorizontalPodAutoscaler",), source=HPA, unless=("hpa-metric",))
def hpa_target_type(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A metric's target whose type is not that of its number.

    Type Utilization goes with averageUtilization, a share of the request in percent; AverageValue
    with averageValue, an amount such as 500m. The API server takes either, and the controller goes
    by the number: averageValue: 70 is 70 processors for each pod, so nothing ever scales.
    """
    for place, metric in each(resource, "spec", "metrics"):
        for field in ("resource", "containerResource"):
            target = as_mapping(as_mapping(metric.get(field)).get("target"))
            kind = as_text(target.get("type"))
            wanted = {"Utilization": "averageUtilization", "AverageValue": "averageValue"}.get(kind)
            other = next(iter({"averageUtilization", "averageValue"} & set(target)), "")
            if wanted and other and wanted not in target:
                yield Problem(
                    f"its target is of type {kind} and has {other} ({target[other]}), not {wanted}:"
                    " it scales by another measure than it says",
                    fix=f"Write {wanted}, or change the type.",
                    path=(*place, field, "target", other),
                )


@rule(
    "replicas-fight-autoscaler",
    kinds=("Deployment", "StatefulSet"),
    source=HPA,
    unless=("project-forbids-kind", "shared-resource"),
)
def replicas_fight_autoscaler(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A number of replicas in git for a workload that an autoscaler scales.

    Each sync sets the number back, under load from the autoscaler's ten pods to git's two. An
    Application that ignores the difference does so too, unless it says
    RespectIgnoreDifferences=true. An autoscaler whose least and most are that number agrees. With 0
    in git it is switched off, which is how one pauses a workload. A ScaledObject of KEDA sets the
    number likewise, unless it is paused.
    """
    if resource.spec.get("replicas") in {None, 0} or _ignored(resource, cluster):
        return
    for scaler in autoscalers(cluster, resource):
        if is_paused(scaler) or set(limits(scaler)) == {resource.spec["replicas"]}:
            continue  # pinned to the number that git writes
        yield Problem(
            f"replicas is {resource.spec['replicas']} here, and {scaler.kind} {scaler.name} "
            "sets it too: every apply sets its number back",
            fix="Leave replicas out where an autoscaler owns the number.",
            path=("spec", "replicas"),
        )


def _ignored(resource: Resource, cluster: Cluster) -> bool:
    """Whether the Argo CD Application that brings it leaves the number alone, in syncs too."""
    return any(
        keeps_ignored(application)
        and any(
            pointer == "/spec/replicas" for _, pointer in ignored_pointers(application, resource)
        )
        for application in applications(cluster, resource.part.name)
    )


@rule(
    "autoscaled-twice",
    kinds=("HorizontalPodAutoscaler", "ScaledObject"),
    source=HPA,
    unless=("shared-resource",),
)
def autoscaled_twice(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """Two autoscalers of one workload.

    Each sets its own number, and the workload swings between them. A ScaledObject of KEDA makes an
    autoscaler of its own, unless it is annotated to take over the one that is there.
    """
    kind, name = scale_target(resource)
    workload = cluster.get(kind, resource.namespace, name)
    both = [
        scaler
        for scaler in (autoscalers(cluster, workload) if workload else ())
        if scaler.annotations.get(TAKES_OVER) != "true"
    ]
    if len({each.key for each in both}) > 1 and resource is both[-1]:  # not copies of one
        yield Problem(
            f"{both[0].name} scales {workload.title if workload else ''} too; they undo each other",
            fix="Keep one autoscaler, with both metrics in it.",
            path=("spec", "scaleTargetRef"),
        )
