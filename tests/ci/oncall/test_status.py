"""What status says of recorded situations, and when it asks for a person."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from ci.argocd.causes import Cause
from ci.oncall.status import Git as Tip
from ci.oncall.status import command, judge, unseen

if TYPE_CHECKING:
    from collections.abc import Callable

    from ci.argocd.application import Application
    from tests.ci.argocd_server import FakeArgo, Git

    Read = Callable[[str], Application]


@pytest.mark.parametrize(
    ("name", "person", "underway"),
    [
        ("resumed", [], []),
        ("rolled-back", ["auto-sync is off"], []),
        ("stuck", [], ["a sync is running: waiting for completion of hook batch/Job/migrate"]),
        ("migration-failing", ["the sync fails and is tried again (1)"], []),
        (
            "terminated",
            [
                "auto-sync is off",
                "the sync failed: Operation terminated",
                "Job/migrate of 99: Terminated",
            ],
            [],
        ),
    ],
)
def test_a_person_is_asked_for_when_it_does_not_mend_itself(
    recorded: Read, name: str, person: list[str], underway: list[str]
) -> None:
    asked, going_on = judge(recorded(name), ())

    assert len(asked) == len(person)
    assert all(found.startswith(start) for found, start in zip(asked, person, strict=True))
    assert list(going_on) == underway


def test_a_pod_that_can_not_start_is_a_fault_while_its_sync_still_waits(recorded: Read) -> None:
    fault = Cause("pod x is ImagePullBackOff", is_fault=True)
    waiting = Cause("pod y is ContainerCreating", is_fault=False)

    assert judge(recorded("stuck"), (fault,))[0] == ("pod x is ImagePullBackOff",)
    assert judge(recorded("stuck"), (waiting,))[0] == ()


@pytest.mark.parametrize(
    ("minutes", "commit", "is_late"), [(1, "other", False), (10, "other", True), (10, None, False)]
)
def test_a_commit_that_argo_cd_does_not_see_is_reported_after_minutes(
    recorded: Read, minutes: int, commit: str | None, is_late: bool
) -> None:
    app = recorded("resumed")
    now = datetime(2026, 1, 1, tzinfo=UTC)
    tip = Tip("1-aaaaaaa", commit or app.revision, now - timedelta(minutes=minutes))

    assert bool(unseen(tip, app, now)) is is_late


def test_it_shows_what_git_says_and_what_runs_and_fails_for_a_missing_part(
    argo: FakeArgo, git: Git
) -> None:
    git.deploy("1-aaaaaaa")
    argo.sync()

    result = CliRunner().invoke(command, ["prod", "--format", "json"], catch_exceptions=False)

    [prod] = json.loads(result.output)
    assert prod["git"]["tag"] == prod["applications"][0]["runs"] == "1-aaaaaaa"
    assert prod["needs_person"] == ["there is no Application postgres-prod"]
    assert result.exit_code == 1


def test_a_git_server_that_is_away_is_said_and_not_hidden(argo: FakeArgo, git: Git) -> None:
    git.deploy("1-aaaaaaa")
    argo.sync()

    result = CliRunner().invoke(command, ["--url", "/no/such/folder"], catch_exceptions=False)

    assert "git can't be read" in result.output
    assert "runs       1-aaaaaaa" in result.output
    assert result.exit_code == 1
