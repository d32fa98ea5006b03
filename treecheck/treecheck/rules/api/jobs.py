"""Jobs and CronJobs: schedules, time zones, completions, failure policies."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from treecheck.cluster import matches
from treecheck.kube.names import fits
from treecheck.kube.pages import validation
from treecheck.kube.schedules import bad_schedule, is_zone
from treecheck.limits.words import DNS_LABEL
from treecheck.model import Problem, as_list, as_mapping, as_text, at
from treecheck.registry import rule
from treecheck.typed import of_type
from treecheck.wording import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import FieldPath, Manifest, Resource

_SOURCE = validation("batch")
_MANY = 100_000
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
        elif indexed and spec.get("parallelism", 0) > _MANY:
            text, field = "an Indexed Job runs at most 100,000 pods at once", "parallelism"
        elif indexed and (wrong := _too_many(spec)):
            text, field = wrong
        elif indexed and not _names_pods(resource, spec):
            text = "an Indexed Job's pods get its name and a number, 63 characters without dots"
            field = "completions"
        else:
            continue
        yield Problem(text, fix=f"Correct {field}.", path=(*path, field))


def _too_many(spec: Manifest) -> tuple[str, str] | None:
    """What an Indexed Job of very many completions lacks when it counts failures by index."""
    if spec.get("completions", 0) <= _MANY or "backoffLimitPerIndex" not in spec:
        return None
    if "maxFailedIndexes" not in spec:
        return "more than 100,000 completions need maxFailedIndexes", "maxFailedIndexes"
    for field in ("maxFailedIndexes", "parallelism"):
        if spec.get(field, 1) > _MANY // 10:
            return f"with more than 100,000 completions {field} is at most 10,000", field
    return None


def _names_pods(resource: Resource, spec: Manifest) -> bool:
    """Whether the last pod of an Indexed Job can be called by the Job's name and its number."""
    count = spec.get("completions", 0)
    if resource.kind != "Job" or not resource.name or count < 1:
        return True
    return fits(f"{resource.name}-{count - 1}", DNS_LABEL)


_INDEXES = re.compile(r"[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*\Z")


@rule("success-policy", source=_SOURCE)
def success_policy(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A success policy that no Job can meet.

    A rule names indexes in ascending order, such as `0,2-4`, below `completions`; or how many of
    them must succeed; or both.
    """
    for path, spec in of_type(resource, cluster, "batch.v1.JobSpec"):
        most = spec.get("completions")
        policy = as_mapping(spec.get("successPolicy"))
        if spec.get("completionMode") != "Indexed" or not isinstance(most, int):
            continue
        for index, each in enumerate(as_list(policy.get("rules"))):
            indexes, count = each.get("succeededIndexes"), each.get("succeededCount")
            named = most if indexes is None else _indexes(as_text(indexes), most)
            if indexes is None and count is None:
                text = "a rule names succeededIndexes or a succeededCount"
            elif named is None:
                text = f"{shown(indexes)} does not name indexes of the Job"
            elif count is not None and not 0 <= count <= named:
                text = f"succeededCount {count} is not between 0 and {named}"
            else:
                continue
            where = (*path, "successPolicy", "rules", index)
            yield Problem(text, fix="Correct the rule.", path=where)


def _indexes(text: str, most: int) -> int | None:
    """How many indexes a text such as `0,2-4` names; None if it names none of a Job's."""
    if text and not _INDEXES.match(text):
        return None
    last, count = -1, 0
    for part in filter(None, text.split(",")):
        first, _, end = part.partition("-")
        start, stop = int(first), int(end or first)
        if not last < start <= stop < most or (end and start == stop):
            return None
        count, last = count + stop - start + 1, stop
    return count


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
        if spec.get("podReplacementPolicy", "Failed") != "Failed":
            yield Problem(
                "with a podFailurePolicy the podReplacementPolicy can only be Failed",
                fix="Remove podReplacementPolicy.",
                path=(*path, "podReplacementPolicy"),
            )


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
    if name is not None and name not in known:
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
        selector = spec.get("selector")
        selects = selector is not None if resource.kind == "CronJob" else selector
        if selects and not spec.get("manualSelector"):
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
        elif spec.get("manualSelector") and not _selects_own(spec):
            yield Problem(
                "with manualSelector the Job has a selector that matches its own template",
                fix="Remove manualSelector.",
                path=(*path, "manualSelector"),
            )


def _selects_own(spec: Manifest) -> bool:
    selector = spec.get("selector")
    labels = as_mapping(at(spec, "template", "metadata", "labels"))
    return isinstance(selector, dict) and matches(selector, labels)
