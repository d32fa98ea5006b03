"""Which pods an environment asks for: at its minimum, at its maximum, during a rollout."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING, Any

from ci.errors import InputError
from ci.platform.capacity.amounts import Amount, largest, requested, total
from treecheck.kube.waves import WAVE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    Manifest = Mapping[str, Any]

# Far beyond what a cluster of this kind holds; a workload of millions would only take time.
MOST_PODS = 5000


class Occasion(StrEnum):
    """Why a pod exists, in the order in which pods come up."""

    DAEMON = "on every node"
    ALWAYS = "always"
    SCALED = "at the autoscaler's maximum"
    ROLLOUT = "during a rollout"


@dataclass(frozen=True, slots=True)
class PodDemand:
    """A pod that a node has to hold.

    Attributes:
        name: its workload's name and, for one of several, its number.
        environment: whose it is, such as `prod` or `add-ons`.
        occasion: when it exists.
        amount: what it requests.
        zonal: whether it needs a volume, and so a node in the volume's zone.
        kind, workload: the kind and name of the resource that makes it.
    """

    name: str
    environment: str
    occasion: Occasion
    amount: Amount
    zonal: bool = False
    kind: str = ""
    workload: str = ""


def pod_request(spec: Mapping[str, Any]) -> Amount:
    """What the scheduler counts for a pod.

    The rule of Kubernetes ("Init Containers", resource sharing, and "Sidecar Containers"): the sum
    of the containers and of the init containers that keep running, or the largest init container
    beside the ones that were started before it, whichever is more; plus the overhead.
    """
    running = Amount()
    starting = [Amount()]
    for container in spec.get("initContainers") or ():
        amount = requested(container.get("resources"))
        if container.get("restartPolicy") == "Always":
            running += amount
            starting.append(running)
        else:
            starting.append(running + amount)
    steady = running + total(
        requested(one.get("resources")) for one in spec.get("containers") or ()
    )
    return largest([*starting, steady]) + requested({"requests": spec.get("overhead") or {}})


def pods_of(environment: str, resources: Iterable[Manifest]) -> list[PodDemand]:
    """The pods of an environment's rendered resources, in the order in which they come up.

    Deployments surge all at once, each within its own Argo CD sync wave; the Jobs of one wave are
    finished before the next begins, so of a wave's pods only the largest wave's are counted.

    Raises:
        InputError: a quantity or a number of replicas can't be read.
    """
    listed = list(resources)
    scaled = _autoscaled(listed)
    steady: list[PodDemand] = []
    waves: dict[int, list[PodDemand]] = {}
    for resource in listed:
        found = list(_pods(environment, resource, scaled))
        steady += [pod for pod in found if pod.occasion is not Occasion.ROLLOUT]
        extra = [pod for pod in found if pod.occasion is Occasion.ROLLOUT]
        waves.setdefault(_wave(resource), []).extend(extra)
    most = max(waves.values(), key=_memory, default=[])
    order = list(Occasion)
    return sorted(steady + most, key=lambda pod: order.index(pod.occasion))


def _memory(pods: Iterable[PodDemand]) -> int:
    return total(pod.amount for pod in pods).memory


def _wave(resource: Manifest) -> int:
    value = str((_metadata(resource).get("annotations") or {}).get(WAVE, 0))
    return int(value) if re.fullmatch(r"[+-]?\d{1,9}", value) else 0


def _metadata(resource: Manifest) -> Mapping[str, Any]:
    return resource.get("metadata") or {}


def _autoscaled(resources: Sequence[Manifest]) -> dict[tuple[str, str], tuple[int, int]]:
    """(kind, name) -> (minimum, maximum) of what a HorizontalPodAutoscaler scales."""
    bounds = {}
    for resource in resources:
        if resource.get("kind") == "HorizontalPodAutoscaler":
            spec = resource.get("spec") or {}
            target = spec.get("scaleTargetRef") or {}
            low = int(spec.get("minReplicas", 1))
            key = (str(target.get("kind")), str(target.get("name")))
            bounds[key] = (low, max(low, int(spec.get("maxReplicas", low))))
    return bounds


def _pods(
    environment: str, resource: Manifest, scaled: Mapping[tuple[str, str], tuple[int, int]]
) -> Iterator[PodDemand]:
    kind, name = str(resource.get("kind")), str(_metadata(resource).get("name", ""))
    spec = resource.get("spec") or {}
    if kind == "Pod":
        amount = pod_request(spec)
        yield PodDemand(name, environment, Occasion.ALWAYS, amount, _has_claim(spec), kind, name)
        return
    makes = kind
    if kind == "CronJob":
        makes, spec = "Job", (spec.get("jobTemplate") or {}).get("spec") or {}
    if makes not in ("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job"):
        return
    template = (spec.get("template") or {}).get("spec") or {}
    amount = pod_request(template)
    zonal = _has_claim(template) or bool(spec.get("volumeClaimTemplates"))
    for occasion, count in _counts(makes, spec, scaled.get((kind, name))):
        for number in range(min(count, MOST_PODS)):
            yield PodDemand(
                f"{name} {number + 1}", environment, occasion, amount, zonal, kind, name
            )


def _has_claim(spec: Mapping[str, Any]) -> bool:
    volumes = spec.get("volumes") or ()
    return any("persistentVolumeClaim" in one or "ephemeral" in one for one in volumes)


def _counts(
    kind: str, spec: Mapping[str, Any], bounds: tuple[int, int] | None
) -> list[tuple[Occasion, int]]:
    """How many pods of a workload there are on each occasion."""
    if kind == "DaemonSet":
        return [(Occasion.DAEMON, 1)]
    if kind == "Job":
        return [(Occasion.ROLLOUT, int(spec.get("parallelism", 1)))]
    replicas = int(spec.get("replicas", 1))
    low, high = bounds or (replicas, replicas)
    counts = [(Occasion.ALWAYS, low), (Occasion.SCALED, high - low)]
    if kind == "Deployment":
        counts.append((Occasion.ROLLOUT, surge(spec.get("strategy") or {}, high)))
    return counts


def surge(strategy: Mapping[str, Any], replicas: int) -> int:
    """How many pods more than `replicas` a rollout may run; 25 % rounded up by default.

    Raises:
        InputError: `maxSurge` is neither a number nor a percentage.
    """
    if strategy.get("type") == "Recreate":
        return 0
    value = (strategy.get("rollingUpdate") or {}).get("maxSurge", "25%")
    text = str(value)
    number = text.removesuffix("%")
    if not number.isdigit():
        raise InputError(f"maxSurge {value!r} is neither a number nor a percentage such as 25%")
    return ceil(Fraction(int(number), 100) * replicas) if text.endswith("%") else int(number)
