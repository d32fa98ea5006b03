"""Jobs and schedules that never run, or run once and never again."""

from __future__ import annotations

import calendar
from typing import TYPE_CHECKING

from treecheck.model import Problem, Severity, as_text
from treecheck.registry import Family, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import Resource

MONTHS = {name.upper(): number for number, name in enumerate(calendar.month_abbr) if name}
LONGEST = {month: calendar.monthrange(2024, month)[1] for month in range(1, 13)}


@rule(
    "schedule-never",
    kinds=("CronJob",),
    source="https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/",
)
def schedule_never(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A schedule on a day that no month of it has.

    `0 3 31 4 *` is well formed: at three on the 31st of April. It never runs. February alone, as in
    `0 0 31 2 *`, is what people write for a CronJob that is only started by hand.
    """
    schedule = as_text(resource.spec.get("schedule"))
    fields = schedule.split()
    if resource.spec.get("suspend") is True or fields[3:4] in (["2"], ["Feb"], ["FEB"], ["feb"]):
        return
    if len(fields) != 5 or fields[4] != "*" or not fields[2].isdecimal():
        return
    months = [MONTHS.get(each.upper(), each) for each in fields[3].split(",")]
    if not all(str(month).isdecimal() for month in months):
        return
    if all(int(fields[2]) > LONGEST.get(int(month), 31) for month in months):
        yield Problem(
            f"schedule {schedule!r} names day {fields[2]} of a month that has none: it never runs",
            fix="Name a day that the month has, such as 28.",
            path=("spec", "schedule"),
        )


@rule(
    "schedule-too-often",
    kinds=("CronJob",),
    source="https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/",
)
def schedule_too_often(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A schedule that names an hour and leaves the minute open.

    `* 3 * * *` is not "at three" but each minute from 3:00 to 3:59, sixty times.
    """
    schedule = as_text(resource.spec.get("schedule"))
    fields = schedule.split()
    if len(fields) == 5 and fields[0] == "*" and fields[1].isdecimal():
        yield Problem(
            f"schedule {schedule!r} starts the job sixty times, each minute of hour {fields[1]}",
            fix=f"Name the minute too: 0 {' '.join(fields[1:])}.",
            path=("spec", "schedule"),
        )


@rule(
    "schedule-suspended",
    family=Family.POLICY,
    kinds=("CronJob",),
    source="https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/#schedule-suspension",
    severity=Severity.WARNING,
)
def schedule_suspended(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A CronJob that is suspended in git.

    It exists, its Application is healthy, and it never runs until a commit says so. One that runs
    in another environment of the tree is left alone: there it is not forgotten.
    """
    elsewhere = (each for each in cluster.tree if each.kind == "CronJob")
    runs = any(
        each.name == resource.name and each.spec.get("suspend") is not True for each in elsewhere
    )
    if resource.spec.get("suspend") is True and not runs:
        yield Problem(
            "suspend: true keeps it from running at all",
            fix="Leave suspend out, or the CronJob if it is no longer needed.",
            path=("spec", "suspend"),
        )


@rule(
    "schedule-missed",
    kinds=("CronJob",),
    source="https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/#starting-deadline",
)
def schedule_missed(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A starting deadline shorter than the controller's own interval.

    The CronJob controller looks every ten seconds. With a deadline below that, it may always find
    that it is too late.
    """
    deadline = resource.spec.get("startingDeadlineSeconds")
    if isinstance(deadline, int) and deadline < 10:
        yield Problem(
            f"startingDeadlineSeconds is {deadline}, and the controller looks every 10 s: the job "
            "may never be started",
            fix="Set it to 60 or more, or leave it out.",
            path=("spec", "startingDeadlineSeconds"),
        )
