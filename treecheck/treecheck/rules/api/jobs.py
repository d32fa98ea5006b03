"""Jobs and CronJobs: schedules, time zones, completions, failure policies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treecheck.kube.pages import validation
from treecheck.kube.schedules import bad_schedule, is_zone
from treecheck.model import Problem, as_list, as_mapping, at
from treecheck.registry import rule
from treecheck.typed import of_type
from treecheck.wording import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import FieldPath, Manifest, Resource

_SOURCE = validation("batch")
_CRON = "https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/#schedule-syntax"


@rule("cron-schedule", source=_CRON, kinds=("CronJob",))
def cron_schedule(resource: Resource, _cluster: Cluster) -> Iterator[Problem]:
    """A CronJob whose schedule can't be read, or that names its time zone in the wrong place.

    Five fields: minute, hour, day of the month, month, day of the week (0 to 6, Sunday is 0 and 7
    is none). A time zone goes into `timeZone`, by its IANA name.
    """
    schedule = resource.spec.get("schedule")
    reason = bad_schedule(schedule) if isinstance(schedule, str) and schedule else ""
    if reason:
        yield Problem(
            f"the schedule {shown(schedule)} can't be read: {reason}",
            fix='Write five fields such as "15 2 * * 1-5".',
            path=("spec", "schedule"),
        )
    zone = resource.spec.get("timeZone")
    if isinstance(zone, str) and zone and not is_zone(zone):
        yield Problem(
            f"no time zone is called {shown(zone)}",
            fix="Write an IANA name such as Europe/Zurich or Etc/UTC.",
            path=("spec", "timeZone"),
        )


@rule("indexed-job", source=_SOURCE)
def indexed_job(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A Job with settings that only an Indexed Job has.

    An Indexed Job says how many `completions` it wants; `backoffLimitPerIndex`, `maxFailedIndexes`
    and `successPolicy` need one.
    """
    for path, spec in of_type(resource, cluster, "batch.v1.JobSpec"):
        indexed = spec.get("completionMode") == "Indexed"
        if indexed and "completions" not in spec:
            text, field = "an Indexed Job must say how many completions it wants", "completions"
        elif not indexed and "backoffLimitPerIndex" in spec:
            text = "backoffLimitPerIndex needs completionMode: Indexed"
            field = "backoffLimitPerIndex"
        elif "maxFailedIndexes" in spec and "backoffLimitPerIndex" not in spec:
            text, field = "maxFailedIndexes needs backoffLimitPerIndex", "maxFailedIndexes"
        elif not indexed and "successPolicy" in spec:
            text, field = "successPolicy needs completionMode: Indexed", "successPolicy"
        elif 0 <= spec.get("completions", 2**31) < spec.get("maxFailedIndexes", 0):
            text, field = "maxFailedIndexes is larger than completions", "maxFailedIndexes"
        elif indexed and spec.get("completions", 0) > 100_000 and "backoffLimitPerIndex" in spec:
            text, field = "more than 100,000 completions with a limit for each", "completions"
        else:
            continue
        yield Problem(text, fix=f"Correct {field}.", path=(*path, field))


@rule("pod-failure-policy", source=_SOURCE)
def pod_failure_policy(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A failure policy that can't be kept.

    The kubelet must not restart the containers by itself (`restartPolicy: Never`); exit codes are
    other than 0 for `In`; `FailIndex` needs `backoffLimitPerIndex`; the container must be there.
    """
    for path, spec in of_type(resource, cluster, "batch.v1.JobSpec"):
        policy = spec.get("podFailurePolicy")
        if not isinstance(policy, dict):
            continue
        pod = as_mapping(at(spec, "template", "spec"))
        if pod.get("restartPolicy") != "Never":
            yield Problem(
                "podFailurePolicy needs restartPolicy: Never",
                fix="Set restartPolicy: Never.",
                path=(*path, "template", "spec", "restartPolicy"),
            )
        for index, each in enumerate(as_list(policy.get("rules"))):
            yield from _failure_rule((*path, "podFailurePolicy", "rules", index), each, spec, pod)


def _failure_rule(
    path: FieldPath, each: Manifest, spec: Manifest, pod: Manifest
) -> Iterator[Problem]:
    codes = as_mapping(each.get("onExitCodes"))
    name = codes.get("containerName")
    known = {
        container.get("name")
        for kind in ("containers", "initContainers")
        for container in as_list(pod.get(kind))
    }
    values = as_list(codes.get("values"))
    if each.get("action") == "FailIndex" and "backoffLimitPerIndex" not in spec:
        yield Problem(
            "the action FailIndex needs backoffLimitPerIndex",
            fix="Set backoffLimitPerIndex, or take FailJob.",
            path=(*path, "action"),
        )
    if name and name not in known:
        yield Problem(
            f"the pod has no container {name}",
            fix="Name one of the pod's containers.",
            path=(*path, "onExitCodes", "containerName"),
        )
    if codes.get("operator") == "In" and 0 in values:
        yield Problem(
            "exit code 0 is not a failure",
            fix="Remove 0.",
            path=(*path, "onExitCodes", "values", values.index(0)),
        )
    if values != sorted(values):
        yield Problem(
            "the exit codes are not in ascending order",
            fix="Sort them.",
            path=(*path, "onExitCodes", "values"),
        )


@rule("job-selector", source=_SOURCE)
def job_selector(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A Job that selects its pods itself.

    The Job controller makes a selector that no other Job shares. Only with `manualSelector: true`
    may there be one, and then it must match the template.
    """
    for path, spec in of_type(resource, cluster, "batch.v1.JobSpec"):
        if spec.get("selector") and not spec.get("manualSelector"):
            yield Problem(
                "the Job has a selector, which the controller makes itself",
                fix="Remove the selector.",
                path=(*path, "selector"),
            )
        elif spec.get("manualSelector") and resource.kind == "CronJob":
            yield Problem(
                "the Jobs of a CronJob can't have manualSelector",
                fix="Remove manualSelector.",
                path=(*path, "manualSelector"),
            )
