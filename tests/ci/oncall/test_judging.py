"""The limits of what `status` waits for, and what it says beside them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from ci.argocd.application import Operation, ResourceStatus
from ci.argocd.causes import Cause
from ci.oncall.judging import UNSEEN_AFTER, judge, unseen
from ci.oncall.reports import Git as Tip
from ci.oncall.versions import was_rolled_back
from ci.oncall.workloads import SHORT_FOR, Readiness

if TYPE_CHECKING:
    from collections.abc import Callable

    from ci.argocd.application import Application

NOW = datetime(2026, 11, 24, 11, 25, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.fixture
def healthy(recorded: Callable[[str], Application]) -> Application:
    """An Application that is well, and was looked at just now."""
    return recorded("resumed")._replace(reconciled=NOW, queued=False)


def operation(phase: str, **more: Any) -> Operation:
    fields = {"message": "why", "revision": "r", "at": NOW, "failures": (), "retries": 0}
    return Operation(phase, **(fields | more))


def test_a_controller_may_not_look_for_five_minutes_and_no_more(healthy: Application) -> None:
    assert judge(healthy, (), "prod", NOW + UNSEEN_AFTER - SECOND) == ((), ())
    (said,) = judge(healthy, (), "prod", NOW + UNSEEN_AFTER)[0]
    assert said.startswith("Argo CD has not looked for 5 min")
    assert judge(healthy._replace(reconciled=None), (), "prod", NOW) == ((), ())


def test_the_age_of_argo_cds_words_comes_before_the_words(healthy: Application) -> None:
    wrong = healthy._replace(problems=("ComparisonError: no such path",), health="Degraded")
    late, *words = judge(wrong, (), "prod", NOW + UNSEEN_AFTER)[0]
    assert late.startswith("Argo CD has not looked for 5 min")
    assert words == ["ComparisonError: no such path", "it is Degraded"]


def test_a_commit_may_be_unseen_for_five_minutes_and_no_more(healthy: Application) -> None:
    def asked(age: timedelta, **fields: Any) -> tuple[int, int]:
        tip = Tip("1-aaaaaaa", "f" * 40, NOW - age)._replace(**fields)
        person, underway = unseen(tip, healthy, NOW)
        return len(person), len(underway)

    assert asked(UNSEEN_AFTER - SECOND) == (0, 1)
    assert asked(UNSEEN_AFTER) == (1, 0)
    assert asked(UNSEEN_AFTER, commit=healthy.revision) == (0, 0)
    assert asked(UNSEEN_AFTER, commit="") == (0, 0)
    assert asked(UNSEEN_AFTER, at=None) == (0, 0)


def test_what_argo_cd_has_never_seen_is_called_no_commit(healthy: Application) -> None:
    tip = Tip("1-aaaaaaa", "f" * 40, NOW - UNSEEN_AFTER)
    (said,) = unseen(tip, healthy._replace(revision=""), NOW)[0]
    assert said.startswith("Argo CD still looks at no commit, and the branch has ffffffff (1-aaaa")


@pytest.mark.parametrize(
    ("health", "person", "underway"),
    [
        ("Healthy", (), ()),
        ("Degraded", ("it is Degraded",), ()),
        ("Missing", ("it is Missing",), ()),
        ("Progressing", (), ("it is Progressing",)),
        ("Suspended", (), ("it is Suspended",)),
    ],
)
def test_some_kinds_of_health_need_a_person(
    healthy: Application, health: str, person: tuple[str, ...], underway: tuple[str, ...]
) -> None:
    assert judge(healthy._replace(health=health), (), "prod", NOW) == (person, underway)


def test_new_pods_without_metrics_need_a_person_only_after_a_minute(healthy: Application) -> None:
    scaler = ResourceStatus(
        "HorizontalPodAutoscaler", "coworking", False, False, False, "Degraded", "no metrics"
    )
    degraded = healthy._replace(health="Degraded", resources=(scaler,), health_since=NOW)

    def asked(age: timedelta, **fields: Any) -> tuple[int, int]:
        person, underway = judge(degraded._replace(**fields), (), "prod", NOW + age)
        return len(person), len(underway)

    assert asked(SHORT_FOR - SECOND) == (0, 1)
    assert asked(SHORT_FOR) == (1, 0)
    assert asked(SECOND, health_since=None) == (1, 0)
    assert asked(SECOND, resources=(scaler, scaler._replace(kind="Service"))) == (1, 0)
    assert asked(SECOND, resources=()) == (1, 0)


def test_the_causes_of_what_needs_a_person_are_told_with_it(healthy: Application) -> None:
    cause = Cause("pod y is Pending", is_fault=False)
    degraded = healthy._replace(health="Degraded")

    assert judge(healthy, (cause,), "prod", NOW) == ((), ("pod y is Pending",))
    assert judge(degraded, (cause, cause), "prod", NOW) == (
        ("it is Degraded", "pod y is Pending"),
        (),
    )


@pytest.mark.parametrize("is_fault", [True, False])
def test_pods_that_are_not_ready_are_said(healthy: Application, is_fault: bool) -> None:
    ready = Readiness("1/2", "1 of 2 pods are ready", is_fault=is_fault)
    told = judge(healthy, (), "prod", NOW, ready)
    assert told == (((ready.problem,), ()) if is_fault else ((), (ready.problem,)))
    assert judge(healthy, (), "prod", NOW, Readiness("2/2")) == ((), ())


def test_a_difference_is_underway_while_a_sync_may_still_take_it_away(healthy: Application) -> None:
    def resource(name: str, *, left_over: bool = False, is_hook: bool = False) -> ResourceStatus:
        return ResourceStatus("Service", name, True, left_over, is_hook, "Healthy", "")

    resources = (
        resource("a"),
        resource("b"),
        resource("old", left_over=True),
        resource("job", is_hook=True),
    )
    differing = healthy._replace(sync="OutOfSync", resources=resources)

    said = "it differs from git: Service/a, Service/b"
    assert judge(differing, (), "prod", NOW) == ((), (said,))
    for changed in (
        {"auto_sync": False},
        {"sync": "Synced"},
        {"queued": True},
        {"health": "Degraded"},
        {"resources": resources[2:]},
    ):
        person, underway = judge(differing._replace(**changed), (), "prod", NOW)
        assert said not in [*person, *underway], changed


@pytest.mark.parametrize("phase", ["Failed", "Error"])
def test_a_sync_that_failed_counts_for_the_commit_that_git_has(
    healthy: Application, phase: str
) -> None:
    failed = operation(phase, revision=healthy.revision, failures=("Job/migrate: no",))
    old = failed._replace(revision="older")

    assert judge(healthy._replace(operation=failed), (), "prod", NOW) == (
        ("the sync failed: why", "Job/migrate: no"),
        (),
    )
    assert judge(healthy._replace(operation=old), (), "prod", NOW) == (("Job/migrate: no",), ())


def test_a_sync_that_is_tried_again_needs_a_person_and_a_first_one_does_not(
    healthy: Application,
) -> None:
    first = operation("Running", failures=("x",))
    again = first._replace(retries=1)
    done = operation("Succeeded", failures=("x",))

    assert judge(healthy._replace(operation=first), (), "prod", NOW) == (
        (),
        ("a sync is running: why",),
    )
    assert judge(healthy._replace(operation=again), (), "prod", NOW) == (
        ("the sync fails and is tried again (1): why", "x"),
        (),
    )
    assert judge(healthy._replace(operation=done), (), "prod", NOW) == ((), ())
    queued = healthy._replace(operation=None, queued=True)
    assert judge(queued, (), "prod", NOW) == ((), ("a sync is running: it begins",))


def test_resume_is_advised_for_the_service_alone(healthy: Application) -> None:
    off = healthy._replace(auto_sync=False)
    said = "auto-sync is off: nothing that is merged gets here"

    assert judge(off, (), "prod", NOW)[0] == (f"{said}: python -m ci resume prod",)
    assert judge(off._replace(name="postgres-prod"), (), "prod", NOW)[0] == (said,)
    assert judge(off, (), "dev", NOW)[0] == (said,)


@pytest.mark.parametrize(
    ("revisions", "expected"),
    [("", 0), ("A", 0), ("AB", 0), ("AA", 0), ("ABA", 1), ("AAA", 0), ("ABB", 0), ("ABCA", 1)],
)
def test_a_rollback_is_an_earlier_commit_after_another_one(revisions: str, expected: int) -> None:
    assert was_rolled_back(list(revisions)) == bool(expected)
