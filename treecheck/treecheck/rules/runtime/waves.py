"""Whether a sync can get from its first wave to its last."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from treecheck.kinds import BUILT_IN_GROUPS
from treecheck.kube.config import find_store, references
from treecheck.kube.hosts import dependencies
from treecheck.kube.images import repository
from treecheck.kube.pages import SYNC_WAVES
from treecheck.kube.services import selected_pods
from treecheck.kube.storage import WAITING, class_of
from treecheck.kube.waves import (
    HOOK_DELETE,
    PHASES,
    WAVE,
    delete_policies,
    is_hook,
    position,
    shown,
)
from treecheck.kube.workloads import replicas
from treecheck.model import (
    Problem,
    Severity,
    as_list,
    as_mapping,
    as_text,
    containers,
    mappings_in,
)
from treecheck.registry import Family, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import FieldPath, PodTemplate, Resource

METADATA: FieldPath = ("metadata", "annotations")
SOON = 600  # seconds after which a finished Job is gone before somebody syncs again


@rule("wave-deadlock", source=SYNC_WAVES)
def wave_deadlock(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A pod that waits for something which a later wave would bring.

    A sync goes on when a wave is healthy, and the pod is healthy when it has its ConfigMap, its
    Secret or its account: each waits for the other, and no later commit is synced either. What
    runs no pods is healthy at once.
    """
    here = position(resource)
    if resource.pod is None or here is None or _runs_none(resource, cluster):
        return
    if resource.kind == "Job":
        yield from _calls(resource, here, cluster)
    for needed in _needs(cluster, resource.pod):
        there = position(needed)
        if needed.part == resource.part and there is not None and there > here:
            yield Problem(
                f"it is applied in {shown(here)} and needs {needed.title}, which comes in "
                f"{shown(there)}: the sync never gets past it",
                fix=f"Put {needed.title} into an earlier wave, or this one into a later.",
                path=METADATA,
                related=(needed,),
                cause=needed.title,
            )


def _runs_none(resource: Resource, cluster: Cluster) -> bool:
    """Whether a workload has no pod at first: KEDA may leave 0 of them until there is work."""
    count = replicas(cluster, resource)
    return not count.most or (resource.spec.get("replicas") == 0 and not count.least)


def _calls(job: Resource, here: tuple[int, int], cluster: Cluster) -> Iterator[Problem]:
    """What a Job's own command or variables call, and what comes in a later wave than the Job.

    What a shared ConfigMap names, the Job may not need.
    """
    assert job.pod is not None  # noqa: S101 - a Job has a pod
    for call in dependencies(cluster, job.pod):
        service = call.target(cluster)
        if service is None or call.host_at.resource is not job:
            continue
        behind = [pod.owner for pod in selected_pods(service, cluster)]
        for needed in (service, *(behind if len(behind) == 1 else ())):
            there = position(needed)
            if needed.part == job.part and there is not None and there > here:
                yield Problem(
                    f"it is applied in {shown(here)} and calls {call.host}, and {needed.title} "
                    f"comes in {shown(there)}: on a new cluster the Job fails, and what follows is "
                    "never applied",
                    fix="Put the Job into a later phase or wave than what it calls.",
                    path=METADATA,
                    related=(needed,),
                    cause=needed.title,
                )
                return


@rule(
    "workload-before-migration",
    kinds=("Job",),
    source=SYNC_WAVES,
    unless=("wave-deadlock",),
)
def workload_before_migration(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """Pods of a new version in an earlier wave than the migration that they need.

    A Job migrates the database, and a workload of the same image comes before it: the new pods run
    against the old schema, and the Job waits until they are healthy. When it fails they are there
    already. A migration in PostSync, and one whose name says `post`, is meant to come later. The
    database itself, which the Job calls, may be of the image whose client the Job runs.
    """
    here = position(resource)
    if here is None or here[0] > PHASES.index("Sync") or not _migrates(resource):
        return
    images, servers = _images(resource), _servers(resource, cluster)
    for kind in ("Deployment", "StatefulSet", "DaemonSet", "Rollout"):
        for workload in cluster.of_kind(kind, namespace=resource.namespace):
            there = position(workload)
            alike = workload.part == resource.part and bool(images & _images(workload))
            alike = alike and workload not in servers
            if alike and there is not None and there < here:
                yield Problem(
                    f"it is applied in {shown(there)} and {resource.title}, which migrates its "
                    f"database, comes in {shown(here)}: the new pods start on the old schema, and "
                    "a failed migration finds them running",
                    fix=f"Put it into a later wave than {resource.title}.",
                    path=(*METADATA, WAVE) if WAVE in workload.annotations else METADATA,
                    resource=workload,
                    related=(resource,),
                )


MIGRATES = re.compile(
    r"migrat(e|es|ion|ions|or)\b|\bschema[-_:]?(up|update|upgrade)|\bupgrade head\b"
    r"|\b(flyway|liquibase|alembic|goose|sqitch)\b"
)
NOT_YET = re.compile(r"\bpost\b|\bcontract\b|\bcleanup\b|\bstatus\b|\bcheck\b|\bwait\b")


def _migrates(job: Resource) -> bool:
    """Whether a Job's name, or a command of its containers, says that it migrates a schema."""
    lines = [job.name]
    for _, container in containers(job, "containers"):
        words = [*as_list(container.get("command")), *as_list(container.get("args"))]
        lines.append(" ".join(map(as_text, words)))
    text = " ".join(lines).casefold()
    return MIGRATES.search(text) is not None and NOT_YET.search(text) is None


def _servers(job: Resource, cluster: Cluster) -> list[Resource]:
    """The workloads behind the Services that a Job calls."""
    calls = dependencies(cluster, job.pod) if job.pod is not None else ()
    services = [service for call in calls if (service := call.target(cluster)) is not None]
    return [pod.owner for service in services for pod in selected_pods(service, cluster)]


def _images(resource: Resource) -> set[str]:
    """The images of a resource's main containers, without tag and digest."""
    images = (as_text(one.get("image")) for _, one in containers(resource, "containers"))
    return {repository(image) for image in images if image}


def _needs(cluster: Cluster, pod: PodTemplate) -> Iterator[Resource]:
    """What has to exist before a pod of the template starts."""
    namespace = pod.owner.namespace
    seen: set[int] = set()
    for ref in references(pod):
        store = find_store(cluster, ref.kind, namespace, ref.name)
        if store and store.resource and not ref.optional and id(store.resource) not in seen:
            seen.add(id(store.resource))
            yield store.resource
    account = as_text(pod.spec.get("serviceAccountName"))
    found = cluster.get("ServiceAccount", namespace, account)
    if found is not None:
        yield found


def _claims(cluster: Cluster, pod: PodTemplate) -> Iterator[Resource]:
    for volume in map(as_mapping, as_list(pod.spec.get("volumes"))):
        name = as_text(as_mapping(volume.get("persistentVolumeClaim")).get("claimName"))
        claim = cluster.get("PersistentVolumeClaim", pod.owner.namespace, name)
        if claim is not None:
            yield claim


@rule("claim-waits-for-pod", kinds=("PersistentVolumeClaim",), source=SYNC_WAVES)
def claim_waits_for_pod(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A claim in an earlier wave than the pod that it waits for.

    With volumeBindingMode WaitForFirstConsumer (the usual one for disks of a cloud's zone) a claim
    stays Pending until a pod uses it, Argo CD waits for the claim, and the pod is in a later wave.
    Of a cloud's own class it is a warning, and one that neither the tree nor a cloud brings, or a
    default one that nobody knows, is left alone. A CronJob's pods
    come at their hour: when nothing else uses the claim, the later waves wait until then. A custom
    resource that names the claim may have a pod made for it, in a wave that is not known.
    """
    here = position(resource)
    name, storage = class_of(resource.spec, cluster)
    if here is None or not _may_wait(name, storage):
        return
    users = [
        pod.owner
        for pod in cluster.pods(resource.namespace)
        if resource in _claims(cluster, pod) and pod.owner.part == resource.part
    ]
    if storage and users and all(user.kind == "CronJob" for user in users):
        yield from _waits_for_schedule(resource, here, users, cluster)
        return
    if any(_may_run(each, resource) for each in cluster.of_part(resource.part.name)):
        return  # an operator's pod, whose wave is not known
    places = [place for place in map(position, users) if place is not None]
    bound = "is bound only when a pod uses it"
    bound = bound if storage else f"may be one that {bound} (its class is not in the tree)"
    if places and min(places) > here:
        yield Problem(
            f"the claim is applied in {shown(here)} and {bound}, and its first pod comes in "
            f"{shown(min(places))}: the sync never gets past it",
            fix="Put the claim into the wave of its pod.",
            path=METADATA,
            related=tuple(users),
            severity=None if storage else Severity.WARNING,
        )


def _may_wait(name: str, storage: Resource | None) -> bool:
    """Whether a claim's class binds only when a pod comes, or is one that mostly does."""
    if storage is not None:
        return bool(storage.body.get("volumeBindingMode") == "WaitForFirstConsumer")
    return name in WAITING


def _may_run(resource: Resource, claim: Resource) -> bool:
    """Whether a custom resource names a claim: an operator makes a pod that uses it, perhaps."""
    if "." not in resource.group or resource.group in BUILT_IN_GROUPS:
        return False
    name = claim.name
    return any(each.get("claimName") == name for each in mappings_in(resource.spec))


def _waits_for_schedule(
    claim: Resource, here: tuple[int, int], users: list[Resource], cluster: Cluster
) -> Iterator[Problem]:
    """A claim of which only CronJobs make pods, with something in a later wave."""
    places = [position(each) for each in cluster.resources if each.part == claim.part]
    later = sorted(place for place in places if place is not None and place > here)
    if later:
        names = ", ".join(user.title for user in users)
        yield Problem(
            f"the claim is applied in {shown(here)} and is bound only when a pod uses it, and the "
            f"only one comes when {names} runs by its schedule: {shown(later[0])} waits until then",
            fix="Put the claim into the last wave, or use a class that binds at once.",
            path=METADATA if claim.annotations else ("metadata", "name"),
            related=tuple(users),
        )


@rule("autoscaler-before-target", kinds=("HorizontalPodAutoscaler",), source=SYNC_WAVES)
def autoscaler_before_target(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """An autoscaler in an earlier wave than its workload.

    It is Degraded until the workload exists, and the workload's wave waits for it.
    """
    here = position(resource)
    target = as_mapping(resource.spec.get("scaleTargetRef"))
    workload = cluster.get(
        as_text(target.get("kind")), resource.namespace, as_text(target.get("name"))
    )
    there = position(workload) if workload else None
    if here and there and workload and workload.part == resource.part and there > here:
        yield Problem(
            f"it is applied in {shown(here)}, is unhealthy without {workload.title}, and that "
            f"comes in {shown(there)}: the sync never gets past it",
            fix="Put the autoscaler into the wave of its workload, or a later one.",
            path=METADATA,
            related=(workload,),
        )


@rule(
    "hook-without-deadline",
    family=Family.POLICY,
    severity=Severity.WARNING,
    kinds=("Job",),
    source="https://argo-cd.readthedocs.io/en/release-3.4/user-guide/resource_hooks/",
)
def hook_without_deadline(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A hook Job that may run for ever.

    With a bad image, or a database that is away, the Job never ends, the sync stays Running, and
    no later commit is synced, the one that fixes it included.
    """
    if is_hook(resource) and "activeDeadlineSeconds" not in resource.spec:
        yield Problem(
            "this hook has no activeDeadlineSeconds: when it hangs, the sync stays Running and no "
            "later commit is deployed",
            fix="Set spec.activeDeadlineSeconds, to 300 say.",
            path=("spec",),
        )


@rule(
    "hook-not-replaced",
    kinds=("Job",),
    unless=("sync-annotation-unknown",),
    source="https://argo-cd.readthedocs.io/en/release-3.4/user-guide/resource_hooks/",
)
def hook_not_replaced(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A hook with a fixed name that stays behind when it fails.

    A Job's template is immutable. Unless the old hook is deleted before the new one is made, the
    next sync fails on it. BeforeHookCreation, which is the default, does that. A Job with
    ttlSecondsAfterFinished of at most ten minutes goes away by itself, failed or not.
    """
    policies = delete_policies(resource)
    after = resource.spec.get("ttlSecondsAfterFinished")
    if isinstance(after, int) and after <= SOON:
        return
    if is_hook(resource) and "BeforeHookCreation" not in policies and resource.metadata.get("name"):
        yield Problem(
            f"its delete policy is {', '.join(policies)}: a hook that ends otherwise stays, and "
            "the next sync fails on that old Job, whose template can't be changed",
            fix="Add BeforeHookCreation to the delete policy, or use generateName.",
            path=(*METADATA, HOOK_DELETE),
        )
