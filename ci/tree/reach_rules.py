"""Who a load balancer lets in, as a rule of the checker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci.tree import reach
from treecheck.model import Problem, Severity
from treecheck.registry import Family, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import Resource


@rule(
    "balancer-open",
    kinds=("Service",),
    layer="security",
    family=Family.POLICY,
    severity=Severity.WARNING,
    source="https://github.com/kubernetes/cloud-provider-aws/blob/master/docs/service_controller.md",
)
def balancer_open(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """An internet-facing load balancer that names nobody whom it lets in.

    Without source ranges it lets the whole internet in. If that is intended, say so: 0.0.0.0/0.
    """
    del cluster
    door = reach.door(resource.body)
    if door is None or door.internal or door.ranges:
        return
    yield Problem(
        "its load balancer is internet-facing and has no loadBalancerSourceRanges, so the whole "
        "internet reaches it",
        fix=f"Name the ranges in loadBalancerSourceRanges, or annotate {reach.INTERNAL}: "
        f'"true" ({reach.PAGE}).',
        path=("spec", "type"),
    )
