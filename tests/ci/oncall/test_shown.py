"""What `status` prints of an environment, and what it gives to a program."""

from __future__ import annotations

from datetime import UTC, datetime

from ci.oncall.reports import Backups, Environment, Git, PartStatus
from ci.oncall.shown import as_json, text

AT = datetime(2026, 5, 1, 10, 0, 0, tzinfo=UTC)
SERVICE = PartStatus(
    *("coworking-prod", "57-1f2e3d4c", "56-0a1b2c3d", AT, "ada", "OutOfSync", "Degraded"),
    auto_sync=False,
    revision="1f2e3d4c5b6a",
    ready="1/2",
    needs_person=("1 of 2 pods are ready",),
    underway=("a sync runs",),
)
DATABASE = PartStatus(
    *("postgres-prod", "", "", None, "", "Synced", "Healthy"),
    auto_sync=True,
    revision="1f2e3d4c5b6a",
    ready="",
    needs_person=(),
    underway=(),
)
GIT = Git("58-9a8b7c6d", "9a8b7c6d5e4f3a2b", AT, "deploy")


def test_a_person_sees_each_part_and_what_to_do_about_it() -> None:
    shown = text(
        Environment("prod", GIT, (SERVICE, DATABASE), ("look",), "", "a balancer", ("soon",))
    )
    synced = shown.pop(2)
    assert synced.startswith("  synced     57-1f2e3d4c  since ")
    assert synced.endswith(", by ada")
    assert shown == [
        "prod: NEEDS A PERSON",
        "  git says   58-9a8b7c6d  (commit 9a8b7c6d)",
        "  runs       56-0a1b2c3d",
        "  reached by a balancer",
        "  coworking-prod   OutOfSync, Degraded, 1/2 ready, AUTO-SYNC OFF",
        "    ! 1 of 2 pods are ready",
        "    - a sync runs",
        "  postgres-prod    Synced, Healthy, auto-sync on",
        "  ! look",
        "  - soon",
    ]


def test_what_is_not_known_is_a_question_mark_and_what_does_not_run_is_nothing() -> None:
    shown = text(Environment("prod", Git(), (DATABASE,), ()))
    assert shown[:2] == ["prod: well", "  git says   ?"]
    assert shown[2].startswith("  synced     ?  since ")
    assert shown[2].endswith(", by ?")
    assert shown[3] == "  runs       nothing"


def test_without_argo_cd_the_pods_are_shown() -> None:
    shown = text(Environment("prod", Git(), (), ("Argo CD is away",), "2 of 2 ready"))
    assert shown == [
        "prod: NEEDS A PERSON",
        "  pods       2 of 2 ready",
        "  ! Argo CD is away",
    ]


def test_a_fault_of_one_part_is_the_environments() -> None:
    assert not Environment("prod", GIT, (DATABASE, SERVICE), ()).is_well
    assert Environment("prod", GIT, (DATABASE,), (), underway=("a sync runs",)).is_well


def test_a_program_gets_times_as_text_and_null_for_what_is_not_known() -> None:
    given = as_json(
        Environment("prod", GIT, (SERVICE, DATABASE), ("look",), "", "a balancer", ("soon",))
    )
    applications = given.pop("applications")
    assert [each["since"] for each in applications] == ["2026-05-01T10:00:00+00:00", None]
    assert [each["auto_sync"] for each in applications] == [False, True]
    assert given.pop("git")["at"] == "2026-05-01T10:00:00+00:00"
    assert given == {
        "environment": "prod",
        "well": False,
        "reached_by": "a balancer",
        "needs_person": ["look"],
        "underway": ["soon"],
        "pods": "",
        "backups": None,
    }


def test_the_backups_are_a_line_with_what_is_wrong_below_it() -> None:
    backups = Backups("log 20 seconds ago", ("no backup",), ("it runs",), {"said": AT, "why": ""})
    environment = Environment("prod", GIT, (DATABASE,), (), backups=backups)

    assert text(environment)[-3:] == [
        "  backups    log 20 seconds ago",
        "    ! no backup",
        "    - it runs",
    ]
    assert text(environment)[0] == "prod: NEEDS A PERSON"
    assert as_json(environment)["backups"] == {
        "shown": "log 20 seconds ago",
        "needs_person": ("no backup",),
        "underway": ("it runs",),
        "known": {"said": "2026-05-01T10:00:00+00:00", "why": ""},
        "is_known": True,
    }
