"""Deployments, StatefulSets, DaemonSets and ReplicaSets: selectors, strategies, deadlines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treecheck.cluster import matches
from treecheck.kube.pages import validation
from treecheck.kube.workloads import bad_share, leading_number
from treecheck.model import Problem, as_list, as_mapping, at
from treecheck.registry import rule
from treecheck.typed import of_type
from treecheck.wording import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import Resource

CONTROLLERS = ("DaemonSet", "Deployment", "ReplicaSet", "StatefulSet")
_SOURCE = validation("apps")


@rule("selector-mismatch", source=_SOURCE, kinds=CONTROLLERS)
def selector_mismatch(resource: Resource, _cluster: Cluster) -> Iterator[Problem]:
    """A workload whose selector does not choose its own pods.

    The labels under `template` must have all that `selector` asks for, and the selector must ask
    for something: a controller that can't find its pods would make new ones for ever.
    """
    selector = resource.spec.get("selector")
    if not isinstance(selector, dict):
        return
    if not selector.get("matchLabels") and not selector.get("matchExpressions"):
        yield Problem(
            "the selector is empty, and so chooses no pods of its own",
            fix="Select by a label that the template has.",
            path=("spec", "selector"),
        )
    elif resource.pod is not None and not matches(selector, resource.pod.labels):
        yield Problem(
            "the selector does not match the labels of the pod template",
            fix="Give the template every label that the selector asks for, with the same value.",
            path=("spec", "template", "metadata", "labels"),
        )


@rule("restart-policy", source=_SOURCE, kinds=(*CONTROLLERS, "Job", "CronJob"))
def restart_policy(resource: Resource, _cluster: Cluster) -> Iterator[Problem]:
    """A restart policy that the kind does not take.

    Pods of Deployments, StatefulSets and DaemonSets always restart; those of Jobs restart OnFailure
    or Never, and must say which.
    """
    pod = resource.pod
    if pod is None or not pod.spec:
        return
    policy = pod.spec.get("restartPolicy") or "Always"
    job = resource.kind in {"Job", "CronJob"}
    if job == (policy == "Always"):
        wanted = "OnFailure or Never" if job else "Always"
        yield Problem(
            f"the pods of a {resource.kind} can't have restartPolicy {policy}",
            fix=f"Write restartPolicy: {wanted}.",
            path=(*pod.spec_path, "restartPolicy"),
        )
    if not job and "activeDeadlineSeconds" in pod.spec:
        yield Problem(
            f"the pods of a {resource.kind} run for ever and can't have activeDeadlineSeconds",
            fix="Remove activeDeadlineSeconds.",
            path=(*pod.spec_path, "activeDeadlineSeconds"),
        )


@rule("progress-deadline", source=_SOURCE, kinds=("Deployment",))
def progress_deadline(resource: Resource, _cluster: Cluster) -> Iterator[Problem]:
    """A Deployment that is given up before its pods can count as available.

    `progressDeadlineSeconds` (600 unless said) must be larger than `minReadySeconds`.
    """
    deadline = resource.spec.get("progressDeadlineSeconds", 600)
    ready = resource.spec.get("minReadySeconds", 0)
    if deadline <= ready:
        yield Problem(
            f"progressDeadlineSeconds ({deadline}) is not larger than minReadySeconds ({ready})",
            fix="Raise progressDeadlineSeconds, or lower minReadySeconds.",
            path=("spec", "progressDeadlineSeconds"),
        )


@rule("rolling-update", source=_SOURCE, kinds=("DaemonSet", "Deployment"))
def rolling_update(resource: Resource, _cluster: Cluster) -> Iterator[Problem]:
    """A rolling update that can't take a step, or that belongs to another strategy.

    With `maxSurge` and `maxUnavailable` both 0 no pod may be added and none removed. Both are
    numbers or percentages; a `Recreate` strategy has neither.
    """
    field = "strategy" if resource.kind == "Deployment" else "updateStrategy"
    strategy = as_mapping(resource.spec.get(field))
    rolling = strategy.get("rollingUpdate")
    path = ("spec", field, "rollingUpdate")
    if rolling is None:
        return
    if resource.kind == "Deployment" and strategy.get("type") == "Recreate":
        yield Problem(
            "rollingUpdate belongs to the strategy RollingUpdate, and this one is Recreate",
            fix="Remove rollingUpdate, or change the type.",
            path=path,
        )
        return
    if resource.kind == "DaemonSet" and strategy.get("type") == "OnDelete":
        return  # the API server does not look at what such a strategy never uses
    shares = ("25%", "25%") if resource.kind == "Deployment" else (0, 1)
    surge, gone = rolling.get("maxSurge", shares[0]), rolling.get("maxUnavailable", shares[1])
    for name, value in (("maxSurge", surge), ("maxUnavailable", gone)):
        surges = name == "maxSurge" and resource.kind == "Deployment"
        reason = bad_share(value, most=None if surges else 100)
        if reason:
            yield Problem(
                f"{name} is {shown(value)}, {reason}",
                fix="Write a number such as 1, or a percentage such as 25%.",
                path=(*path, name),
            )
            return
    both = bool(leading_number(surge)) == bool(leading_number(gone))
    if both and (resource.kind == "DaemonSet" or not leading_number(gone)):
        wrong, fix = "can't both be 0", "Let one of the two be more than 0."
        if leading_number(gone):
            wrong, fix = "can't both be more than 0", "Set one to 0."
        message = f"maxSurge ({surge}) and maxUnavailable ({gone}) {wrong}"
        yield Problem(message, fix=fix, path=(*path, "maxUnavailable"))


@rule(
    "selector-expression",
    source="https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/",
)
def selector_expression(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """An expression of a selector with values it can't have, or without those it needs.

    `In` and `NotIn` need values; `Exists` and `DoesNotExist` have none; `Gt` and `Lt`, on nodes
    only, have one whole number.
    """
    expressions = of_type(
        resource,
        cluster,
        "meta.v1.LabelSelectorRequirement",
        "core.v1.NodeSelectorRequirement",
    )
    for path, each in expressions:
        operator, values = each.get("operator"), as_list(each.get("values"))
        if operator in {"In", "NotIn"} and not values:
            text = f"the operator {operator} needs values and has none"
        elif operator in {"Exists", "DoesNotExist"} and values:
            text = f"the operator {operator} takes no values"
        elif operator in {"Gt", "Lt"} and len(values) != 1:
            text = f"the operator {operator} takes exactly one number"
        else:
            continue
        fix = "Add values." if not values else "Change the values or the operator."
        yield Problem(text, fix=fix, path=(*path, "values"))


@rule("stateful-set-strategy", source=_SOURCE, kinds=("StatefulSet",))
def stateful_set_strategy(resource: Resource, _cluster: Cluster) -> Iterator[Problem]:
    """A StatefulSet with `rollingUpdate` settings under the strategy OnDelete.

    They would do nothing, and the API server refuses them.
    """
    strategy = as_mapping(at(resource.spec, "updateStrategy"))
    if strategy.get("type") == "OnDelete" and "rollingUpdate" in strategy:
        yield Problem(
            "rollingUpdate belongs to the strategy RollingUpdate, and this one is OnDelete",
            fix="Remove rollingUpdate, or change the type.",
            path=("spec", "updateStrategy", "rollingUpdate"),
        )
