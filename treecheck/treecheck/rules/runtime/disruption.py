"""Whether a node can be drained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treecheck.cluster import matches
from treecheck.kube.workloads import REPLICATED, replicas, scaled
from treecheck.model import Problem, as_mapping
from treecheck.registry import Scope, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import PodTemplate, Resource

SOURCE = "https://kubernetes.io/docs/tasks/run-application/configure-pdb/"


@rule(
    "drain-blocked",
    kinds=("PodDisruptionBudget",),
    source=SOURCE,
    unless=("hpa-target-missing", "keda-target-missing"),
)
def drain_blocked(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A disruption budget that never allows a disruption.

    `kubectl drain` and a node group's upgrade then wait for ever, and whoever is on call deletes
    the budget at night. It is compared with the least number of replicas, an autoscaler's minimum
    where there is one.
    """
    pods = [
        pod
        for pod in cluster.pods_matching(
            resource.namespace, as_mapping(resource.spec.get("selector"))
        )
        if pod.owner.kind in REPLICATED
    ]
    counts = [replicas(cluster, pod.owner) for pod in pods]
    total, most = sum(each.least for each in counts), sum(each.most for each in counts)
    if not total:
        return
    field = "minAvailable" if "minAvailable" in resource.spec else "maxUnavailable"
    value = resource.spec.get(field)
    # A percentage rounds up in both fields (policy/v1).
    number = scaled(value, total, up=True)
    allowed = total - number if field == "minAvailable" else number
    if value is not None and allowed <= 0:
        grows = field == "minAvailable" and scaled(value, most, up=True) < most
        when = "can't be drained until more run" if grows else "can never be drained"
        yield Problem(
            f"{field} {value} of at least {total} replicas allows no disruption: a node with such "
            f"a pod {when}",
            fix="Let maxUnavailable be 1, or run more replicas than minAvailable.",
            path=("spec", field),
            related=(
                *(pod.owner for pod in pods),
                *cluster.of_kind("HorizontalPodAutoscaler", namespace=resource.namespace),
                *cluster.of_kind("ScaledObject", namespace=resource.namespace),
            ),
            counts=True,
        )


@rule("pdb-without-number", kinds=("PodDisruptionBudget",), source=SOURCE)
def pdb_without_number(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A PodDisruptionBudget that says neither how many pods stay nor how many may go.

    It allows every disruption: a drain may end all of its pods at once.
    """
    if not {"minAvailable", "maxUnavailable"} & set(resource.spec):
        yield Problem(
            "it has neither minAvailable nor maxUnavailable, so it protects nothing",
            fix="Add maxUnavailable: 1.",
            path=("spec",),
        )


@rule("budgets-overlap", scope=Scope.CLUSTER, source=SOURCE, unless=("shared-resource",))
def budgets_overlap(cluster: Cluster) -> Iterator[Problem]:
    """A pod that two disruption budgets select.

    The eviction API refuses such a pod with an error, so its node can't be drained.
    """
    for pod in cluster.pods():
        budgets = _budgets(cluster, pod)
        if len(budgets) > 1:
            names = " and ".join(budget.name for budget in budgets)
            yield Problem(
                f"{names} both select the pods of {pod.owner.title}; the eviction API refuses a "
                "pod with two budgets, so its node can't be drained",
                fix="Let one budget select these pods.",
                path=("spec", "selector"),
                resource=budgets[-1],
            )


def _budgets(cluster: Cluster, pod: PodTemplate) -> list[Resource]:
    """Of two of one name, which can't both be there, the last."""
    found = {
        budget.name: budget
        for budget in cluster.of_kind("PodDisruptionBudget", namespace=pod.owner.namespace)
        if "selector" in budget.spec and matches(as_mapping(budget.spec["selector"]), pod.labels)
    }
    return [*found.values()]
