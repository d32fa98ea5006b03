"""Whether a new version can replace the old one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from treecheck.cluster import matches
from treecheck.files import load_text
from treecheck.kube.alternatives import may_meet
from treecheck.kube.storage import is_disk, may_be_disk
from treecheck.kube.variables import variables_of
from treecheck.kube.workloads import (
    autoscalers,
    is_rolled_out,
    is_rolling,
    replicas,
    scaled,
    sleep_seconds,
)
from treecheck.model import Problem, Severity, as_list, as_mapping, as_text, at, each
from treecheck.registry import Family, Scope, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import Resource

DEPLOYMENT = "https://kubernetes.io/docs/concepts/workloads/controllers/deployment/"
SHARED_MODES = {"ReadWriteMany", "ReadOnlyMany"}


@rule("volume-held-by-one", kinds=("Deployment",), source=DEPLOYMENT)
def volume_held_by_one(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A Deployment whose pods need a volume that one node at a time can have.

    With several replicas, or while a rolling update has the old and the new pod at once, the pod on
    the other node waits for the volume: FailedAttachVolume, Multi-Attach error. Storage that no
    node attaches (NFS, SMB, a folder of a node), by its StorageClass, is left alone, and for a
    single replica so is a claim without a class, where the tree doesn't tell what the default is,
    and one whose old pod may go first (maxUnavailable 1).
    """
    if resource.pod is None:
        return
    most = replicas(cluster, resource).most
    for place, volume in each(resource.pod.spec, "volumes"):
        name = as_text(as_mapping(volume.get("persistentVolumeClaim")).get("claimName"))
        claim = cluster.get("PersistentVolumeClaim", resource.namespace, name)
        if claim is None or SHARED_MODES & set(as_list(claim.spec.get("accessModes"))):
            continue
        if most == 0:
            return  # parked
        if most > 1:
            when = f"with {most} replicas" if may_be_disk(claim.spec, cluster) else ""
        else:
            away = at(resource.spec, "strategy", "rollingUpdate", "maxUnavailable")
            gives_way = isinstance(away, int) and away > 0
            rolls = is_rolling(resource) and is_disk(claim.spec, cluster) and not gives_way
            when = "during a rolling update" if rolls else ""
        if when:
            yield Problem(
                f"claim {name} can be mounted by one node at a time, and {when} its pods may be on "
                "two: then one of them never starts",
                fix="Use a StatefulSet with volumeClaimTemplates, or one replica with strategy "
                "Recreate, or a ReadWriteMany claim.",
                path=(*resource.pod.spec_path, *place),
                related=(claim,),
            )


@rule(
    "progress-deadline-too-short",
    kinds=("Deployment",),
    source=DEPLOYMENT,
    unless=("unknown-field",),
)
def progress_deadline_too_short(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A progressDeadlineSeconds that ends before a pod can be ready.

    A rollout is then reported as failed (ProgressDeadlineExceeded), a good one too, and Argo CD
    calls the Application Degraded.
    """
    deadline = resource.spec.get("progressDeadlineSeconds")
    if resource.pod is None or not isinstance(deadline, int):
        return
    waits = [0]
    for _, container in resource.pod.containers("containers"):
        probes = (as_mapping(container.get(p)) for p in ("startupProbe", "readinessProbe"))
        waits.append(sum(probe.get("initialDelaySeconds", 0) for probe in probes))
        startup = as_mapping(container.get("startupProbe"))
        if startup:
            may_take = startup.get("periodSeconds", 10) * startup.get("failureThreshold", 3)
            waits[-1] = max(waits[-1], startup.get("initialDelaySeconds", 0) + may_take - 1)
    ready_after = max(waits) + resource.spec.get("minReadySeconds", 0)
    if ready_after >= deadline:
        yield Problem(
            f"a pod may need {ready_after} s until it counts (its probes' delays, what the "
            f"startupProbe allows, minReadySeconds), and progressDeadlineSeconds is {deadline}: a "
            "good rollout can be reported as failed",
            fix="Set progressDeadlineSeconds to a multiple of the usual start.",
            path=("spec", "progressDeadlineSeconds"),
        )


@rule(
    "grace-period-too-short",
    source="https://kubernetes.io/docs/concepts/containers/container-lifecycle-hooks/",
)
def grace_period_too_short(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A grace period that the preStop hook or the program's own drain uses up, or none for data.

    terminationGracePeriodSeconds (30 by default) counts from before the preStop hook. What is left
    after the hook's sleep is all that the process has for its requests in flight; then it is
    killed. A program's drain is read from a variable such as DRAIN_SECONDS. A grace period of 0 is
    reported where the pods hold a volume.
    """
    if resource.pod is None:
        return
    grace = resource.pod.spec.get("terminationGracePeriodSeconds", 30)
    if grace == 0:
        if _keeps_data(resource):
            yield _killed(resource, "data that is not on the disk yet is lost")
        return
    for path, container in resource.pod.containers("containers"):
        sleeps = sleep_seconds(container)
        if sleeps and isinstance(grace, int) and sleeps >= grace:
            yield Problem(
                f"container {container.get('name')} sleeps {sleeps} s before it is told to stop, "
                f"and is killed after {grace} s: requests in flight are cut off",
                fix="Let terminationGracePeriodSeconds be the sleep plus the time for draining.",
                path=(*path, "lifecycle", "preStop"),
            )
        named = variables_of(cluster, resource.pod, path, container).named
        for name, variable in named.items() if isinstance(grace, int) else ():
            drains = _drain(name, variable.value or "")
            if drains + sleeps >= grace and drains:
                yield variable.problem(
                    name,
                    f"{name} lets container {container.get('name')} of {resource.title} drain for "
                    f"{drains} s, and it is killed after {grace} s: requests in flight are cut off",
                    fix="Let terminationGracePeriodSeconds be longer than the drain.",
                )


@rule(
    "no-grace-period",
    family=Family.POLICY,
    severity=Severity.WARNING,
    source="https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination",
)
def no_grace_period(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A grace period of 0 seconds.

    The pod's containers are killed without being told to stop. It is reported where a Service sends
    requests to the pods.
    """
    pod = resource.pod
    if pod is None or pod.spec.get("terminationGracePeriodSeconds", 30) != 0:
        return
    selectors = (
        as_mapping(service.spec.get("selector"))
        for service in cluster.of_kind("Service", namespace=resource.namespace)
        if "webhook" not in service.name  # which the API server asks again
    )
    if any(each and matches(each, pod.labels) for each in selectors) and not _keeps_data(resource):
        yield _killed(resource, "requests in flight are cut off")


def _killed(resource: Resource, lost: str) -> Problem:
    path = resource.pod.spec_path if resource.pod else ()
    return Problem(
        f"its containers are killed at once, without being told to stop: {lost}",
        fix="Leave terminationGracePeriodSeconds out, or set it to what a stop takes.",
        path=(*path, "terminationGracePeriodSeconds"),
    )


def _keeps_data(resource: Resource) -> bool:
    volumes = as_list(resource.pod.spec.get("volumes")) if resource.pod else []
    return "volumeClaimTemplates" in resource.spec or any(
        "persistentVolumeClaim" in as_mapping(each) for each in volumes
    )


def _drain(name: str, value: str) -> int:
    """The seconds that a variable lets a program drain after SIGTERM; 0 for any other variable."""
    seconds = re.fullmatch(r"(\d+)(?:\.\d*)?(s?)", value)
    # A time-out of the shutdown is another thing: the most that it may take, and seldom takes.
    meant = re.search(r"(^|_)DRAIN(_|$)", name)
    if seconds is None or meant is None or not (name.endswith("_SECONDS") or seconds[2]):
        return 0
    return int(seconds[1])


@rule(
    "selectors-overlap",
    scope=Scope.CLUSTER,
    source=DEPLOYMENT + "#selector",
    unless=("shared-resource",),
)
def selectors_overlap(cluster: Cluster) -> Iterator[Problem]:
    """Two workloads of which one selects the other's pods.

    Controllers don't look at each other: their counts, their Services and their autoscalers take
    the other's pods for their own.
    """
    workloads = list(cluster.of_kind("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"))
    neighbours: dict[str, list[Resource]] = {}
    for workload in workloads:
        neighbours.setdefault(workload.namespace, []).append(workload)
    for one in workloads:
        selector = as_mapping(one.spec.get("selector"))
        others = [
            other
            for other in neighbours[one.namespace]
            if one.key != other.key  # the same one in another file is another rule's
            and other.pod is not None
            and selector
            and matches(selector, other.pod.labels)
            and may_meet(one, other, cluster)
        ]
        if others:
            more = f" and of {len(others) - 1} more" if len(others) > 1 else ""
            yield Problem(
                f"its selector also matches the pods of {others[0].title}{more}",
                fix="Give the selectors a label that differs, such as "
                "app.kubernetes.io/name or component.",
                path=("spec", "selector"),
                resource=one,
                related=tuple(others),
                cause=" ".join(sorted(each.title for each in (one, *others))),
            )


def _is_off(resource: Resource) -> bool:
    """Whether a comment, above `replicas: 0` or behind it, says why a workload is off."""
    file = resource.origin.file
    if file is None:
        return False
    return re.search(r"#.*\n\s*replicas: 0|replicas: 0 +#", load_text(file)) is not None


@rule(
    "replicas-zero",
    family=Family.POLICY,
    severity=Severity.WARNING,
    kinds=("Deployment", "StatefulSet"),
    source=DEPLOYMENT,
)
def replicas_zero(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """No replica of a workload that a Service leads to.

    Somebody scaled it down for an hour and committed it. Every connection to the Service is
    refused.

    The pods of a Deployment that a Rollout's workloadRef names are the Rollout's own. Where a
    comment at the line says why, it stays so.
    """
    if resource.spec.get("replicas") != 0 or any(autoscalers(cluster, resource)):
        return
    if is_rolled_out(cluster, resource):
        return
    if any(cluster.of_kind("ScaledObject", namespace=resource.namespace)) or _is_off(resource):
        return
    for service in cluster.of_kind("Service", namespace=resource.namespace):
        selector = as_mapping(service.spec.get("selector"))
        if resource.pod and selector and matches(selector, resource.pod.labels):
            yield Problem(
                f"replicas is 0, so {service.title} leads to no pod",
                fix="Set replicas to the number of pods that are to serve.",
                path=("spec", "replicas"),
            )
            return


@rule(
    "rollout-takes-all",
    family=Family.POLICY,
    severity=Severity.WARNING,
    kinds=("Deployment",),
    source=DEPLOYMENT,
)
def rollout_takes_all(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A rolling update that may take all pods away at once.

    With maxUnavailable as large as the number of replicas nobody serves while a new version starts,
    and a version that does not start takes the service down.
    """
    strategy = as_mapping(resource.spec.get("strategy"))
    value = as_mapping(strategy.get("rollingUpdate")).get("maxUnavailable")
    least = replicas(cluster, resource).least
    if is_rolling(resource) and least > 1 and scaled(value, least, up=False) >= least:
        yield Problem(
            f"maxUnavailable is {value} of {least} replicas: a rollout may end them all before a "
            "new one is ready",
            fix="Set maxUnavailable to 0 or 1, and maxSurge to 1.",
            path=("spec", "strategy", "rollingUpdate", "maxUnavailable"),
        )


@rule(
    "update-held-back",
    family=Family.POLICY,
    severity=Severity.WARNING,
    kinds=("Deployment", "StatefulSet", "DaemonSet"),
    source=DEPLOYMENT,
)
def update_held_back(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A workload that does not take up a new version by itself.

    `paused`, updateStrategy OnDelete or a partition keep the old pods. The commit is synced, every
    build is green, and the old version goes on running.
    """
    strategy = as_mapping(resource.spec.get("updateStrategy"))
    rolling = as_mapping(strategy.get("rollingUpdate"))
    if resource.spec.get("paused") is True:
        yield _held("paused: true", ("spec", "paused"))
    if strategy.get("type") == "OnDelete":
        yield _held("updateStrategy OnDelete", ("spec", "updateStrategy", "type"))
    if rolling.get("partition"):
        path = ("spec", "updateStrategy", "rollingUpdate", "partition")
        yield _held(f"partition {rolling['partition']}", path)


def _held(what: str, path: tuple[str, ...]) -> Problem:
    return Problem(
        f"{what} keeps pods at the old version until somebody acts by hand",
        fix="Leave it out, so that a commit is a deployment.",
        path=path,
    )
