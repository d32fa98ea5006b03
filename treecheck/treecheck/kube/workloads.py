"""How many pods a workload has, and how it replaces them."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from treecheck.model import Problem, as_list, as_mapping, as_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import Manifest, Resource


# What has `replicas`, and so a scale that an autoscaler may set.
REPLICATED = {"Deployment", "StatefulSet", "ReplicaSet", "ReplicationController"}
KEDA = "keda.sh"
PAUSED = "autoscaling.keda.sh/paused"
PAUSED_AT = "autoscaling.keda.sh/paused-replicas"  # a number that is kept instead
TAKES_OVER = "scaledobject.keda.sh/transfer-hpa-ownership"
MOST_OF_KEDA = 100  # maxReplicaCount, where it is not written
_PERCENT = re.compile(r"[0-9]+%\Z")


@dataclass(frozen=True, slots=True)
class Replicas:
    """The least and the most pods of a workload; they differ where an autoscaler counts."""

    least: int
    most: int


def autoscalers(cluster: Cluster, workload: Resource) -> Iterator[Resource]:
    """The HorizontalPodAutoscalers of a workload, and then the ScaledObjects of KEDA."""
    for kind in ("HorizontalPodAutoscaler", "ScaledObject"):
        for scaler in cluster.of_kind(kind, namespace=workload.namespace):
            if scale_target(scaler) == (workload.kind, workload.name):
                yield scaler


def scale_target(scaler: Resource) -> tuple[str, str]:
    """(kind, name) of what an autoscaler scales; without a kind KEDA takes a Deployment."""
    target = as_mapping(scaler.spec.get("scaleTargetRef"))
    if scaler.kind != "ScaledObject":
        return as_text(target.get("kind")), as_text(target.get("name"))
    if scaler.group != KEDA:
        return "", ""
    return as_text(target.get("kind", "Deployment")), as_text(target.get("name"))


def limits(scaler: Resource) -> tuple[Any, Any]:
    """The least and the most replicas that an autoscaler sets, as it says them.

    KEDA's least is what it goes down to while nothing is to be done: 0, unless written.

    Source: https://keda.sh/docs/latest/reference/scaledobject-spec/
    """
    spec = scaler.spec
    if scaler.kind != "ScaledObject":
        least = spec.get("minReplicas", 1)
        return least, spec.get("maxReplicas", least)
    kept = as_text(scaler.annotations.get(PAUSED_AT))
    if kept.isdecimal():
        return int(kept), int(kept)
    least = spec.get("idleReplicaCount", spec.get("minReplicaCount", 0))
    return least, spec.get("maxReplicaCount", MOST_OF_KEDA)


def is_paused(scaler: Resource) -> bool:
    """Whether somebody told KEDA to leave the number alone."""
    return scaler.kind == "ScaledObject" and scaler.annotations.get(PAUSED) == "true"


def nothing_to_scale(scaler: Resource, kind: str, name: str, cluster: Cluster) -> Problem:
    """The problem of an autoscaler whose workload is not there."""
    return Problem(
        f"it scales {kind} {name}, which nothing in the tree makes in namespace "
        f"{scaler.namespace}: without it, nothing will scale",
        fix="Let scaleTargetRef name the workload to scale.",
        path=("spec", "scaleTargetRef", "name"),
        related=cluster.lookalikes(kind, name),
        absent=scaler.namespace,
    )


def is_rolled_out(cluster: Cluster, workload: Resource) -> bool:
    """Whether a Rollout runs a workload's pod template, so that its own replicas may be 0.

    Source: https://argo-rollouts.readthedocs.io/en/stable/migrating/
    """
    for rollout in cluster.of_kind("Rollout", namespace=workload.namespace):
        ref = as_mapping(rollout.spec.get("workloadRef"))
        if (ref.get("kind"), ref.get("name")) == (workload.kind, workload.name):
            return True
    return False


def replicas(cluster: Cluster, workload: Resource) -> Replicas:
    """A workload's replicas; `replicas` defaults to 1, and so does an autoscaler's minimum."""
    for scaler in autoscalers(cluster, workload):
        least, most = limits(scaler)
        if isinstance(least, int) and isinstance(most, int):
            return Replicas(least, max(least, most))
    written = workload.spec.get("replicas", 1)
    count = written if isinstance(written, int) else 1
    return Replicas(count, count)


def scaled(value: Any, total: int, *, up: bool) -> int:
    """A number, or a percentage of `total`, rounded up or down as the field's API says."""
    if isinstance(value, str) and value.endswith("%") and value[:-1].isdecimal():
        part = int(value[:-1]) * total / 100
        return math.ceil(part) if up else math.floor(part)
    return value if isinstance(value, int) else 0


def is_rolling(deployment: Resource) -> bool:
    """Whether a Deployment starts new pods before the old ones are gone."""
    strategy = as_mapping(deployment.spec.get("strategy"))
    return deployment.kind == "Deployment" and strategy.get("type", "RollingUpdate") != "Recreate"


def sleep_seconds(container: Manifest) -> int:
    """The seconds that a preStop hook sleeps, as far as it can be read."""
    hook = as_mapping(as_mapping(container.get("lifecycle")).get("preStop"))
    asked = as_mapping(hook.get("sleep")).get("seconds")
    if isinstance(asked, int):
        return asked
    words = as_list(as_mapping(hook.get("exec")).get("command"))
    found = re.search(r"\bsleep (\d+)", " ".join(map(as_text, words)))
    return int(found[1]) if found else 0


def leading_number(value: Any) -> int:
    """The number of a count or percentage; 0 of anything else."""
    text = str(value).removesuffix("%")
    return int(text) if text.isdigit() else 0


def bad_share(value: Any, *, most: int | None = 100) -> str:
    """Why a value is not a count or a percentage; "" if it is one."""
    if isinstance(value, int):
        return "which is negative" if value < 0 else ""
    if not isinstance(value, str) or not _PERCENT.match(value):
        return "which is not a number or a percentage"
    return f"more than {most}%" if most is not None and leading_number(value) > most else ""
