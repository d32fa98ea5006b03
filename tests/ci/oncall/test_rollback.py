"""Which version a rollback goes back to, and what it does on the way."""

from __future__ import annotations

import os
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from ci.argocd.application import Application, Entry
from ci.argocd.client import connect
from ci.argocd.environment import is_rolled_out
from ci.errors import CiError, InputError
from ci.oncall.choice import choose
from ci.oncall.rollback import command, steps
from ci.oncall.versions import Versions, made_by, name_versions, unwanted_tag

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.ci.argocd_server import FakeArgo, Git


def _app(recorded: Callable[[str], Application], tags: str) -> Application:
    """An Application whose history has these tags, one letter each, the revision being the tag."""
    entries = tuple(Entry(n, tag, None, "") for n, tag in enumerate(tags))
    return recorded("rolled-back")._replace(entries=entries)


@pytest.mark.parametrize(
    ("history", "git_asks_for", "expected"),
    [
        ("AB", "B", 0),  # the usual case
        ("AB", "C", 1),  # the sync of C is stuck: it never got into the history
        ("ABA", "B", 2),  # somebody has rolled back already
        ("ABBB", "B", 0),  # configuration changed in between
        ("ZABA", "A", 0),  # B was rolled back and reverted, now A is bad too: never to B
        ("ABCAD", "D", 3),
    ],
)
def test_it_goes_to_the_version_before_the_one_that_git_asks_for(
    recorded: Callable[[str], Application], history: str, git_asks_for: str, expected: int
) -> None:
    choice = choose(_app(recorded, history), git_asks_for, str, None)

    assert choice.entry.id == expected


@pytest.mark.parametrize(
    ("history", "left"), [("A", None), ("AAA", None), ("ABA", "1 (B)"), ("ABCA", "1 (B), 2 (C)")]
)
def test_it_says_so_when_there_is_no_version_before_and_which_were_left(
    recorded: Callable[[str], Application], history: str, left: str | None
) -> None:
    with pytest.raises(InputError, match="has no version before A") as raised:
        choose(_app(recorded, history), "A", str, None)

    assert "--to ID" in raised.value.hint
    assert ("left since" in raised.value.hint) == (left is not None)
    assert (left or "") in raised.value.hint


def test_an_entry_is_named_by_its_id_or_its_tag(recorded: Callable[[str], Application]) -> None:
    app = _app(recorded, "ABCDEFGHIJKLM")

    assert choose(app, "M", str, "0").entry.id == 0
    assert choose(app, "M", str, "B").entry.id == 1
    with pytest.raises(InputError, match="'99' is not an entry") as raised:
        choose(app, "M", str, "99")
    assert "Name an entry's id (3, 4, 5, 6, 7, 8, 9, 10, 11, 12)," in raised.value.hint


def test_auto_sync_goes_off_before_the_operation_is_ended(
    recorded: Callable[[str], Application],
) -> None:
    app = recorded("stuck")
    choice = choose(app, "unwanted", lambda revision: revision[:7], None)

    first, second, third = steps(app, choice, live="dcca27c")

    assert first == "turn auto-sync off (automated.enabled: false), as the web page does"
    assert second.startswith("end the running operation")
    assert third.startswith("roll coworking-prod back")


@pytest.mark.parametrize(
    ("status", "is_done"),
    [
        ({"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}, True),
        ({"replicas": 3, "updatedReplicas": 1, "availableReplicas": 2}, False),
        ({"replicas": 3, "updatedReplicas": 2, "availableReplicas": 3}, False),  # one old is left
        ({}, False),
    ],
)
def test_it_waits_until_the_old_pods_alone_are_left(status: dict[str, int], is_done: bool) -> None:
    deployment = {"metadata": {"generation": 4}, "status": {**status, "observedGeneration": 4}}
    behind = {"metadata": {"generation": 5}, "status": {**status, "observedGeneration": 4}}

    assert is_rolled_out(deployment) is is_done
    assert not is_rolled_out(behind)


@pytest.fixture
def released(argo: FakeArgo, git: Git) -> FakeArgo:
    """prod, with 1-aaaaaaa released, then 2-bbbbbbb."""
    for tag in ("1-aaaaaaa", "2-bbbbbbb"):
        git.deploy(tag)
        argo.sync()
    return argo


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(command, ["prod", *arguments], catch_exceptions=False)


def test_a_dry_run_says_what_it_would_do_and_does_nothing(released: FakeArgo) -> None:
    result = _run("--dry-run")

    assert "roll coworking-prod back from 2-bbbbbbb to 1-aaaaaaa (entry 0" in result.output
    assert [call for call in released.calls if not call.startswith("GET")] == []


def test_it_makes_the_calls_of_the_web_page_and_says_what_comes_next(released: FakeArgo) -> None:
    result = _run()

    name = "/api/v1/applications/coworking-prod"
    changes = [call for call in released.calls if not call.startswith("GET")]
    assert changes == [f"PUT {name}", f"POST {name}/rollback"]
    assert released.live == "1-aaaaaaa"
    assert "prod serves 1-aaaaaaa again" in result.output
    assert "python -m ci resume prod" in result.output


def test_a_running_operation_is_ended_first(released: FakeArgo) -> None:
    released.application["operation"] = {}
    released.application["status"]["operationState"] |= {"phase": "Running", "message": "waiting"}

    result = _run()

    assert "ending the running operation" in result.output
    assert released.live == "1-aaaaaaa"


def test_the_second_time_it_finds_nothing_to_do(released: FakeArgo) -> None:
    _run()
    released.calls.clear()

    result = _run()

    assert "1-aaaaaaa is what runs: nothing to roll back" in result.output
    assert [call for call in released.calls if not call.startswith("GET")] == []


def test_the_history_is_listed_with_its_tags(released: FakeArgo) -> None:
    lines = _run("--list").output.splitlines()

    assert [line.split()[:2] for line in lines] == [["1", "2-bbbbbbb"], ["0", "1-aaaaaaa"]]


def _begin_syncs(argo: FakeArgo, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """An operation begins just before each of the first rollbacks: Argo CD refuses those."""
    answer, left = argo.answer, [times]

    def begins(method: str, path: str, *rest: Any) -> Any:
        if path.endswith("/rollback") and left[0]:
            left[0] -= 1
            argo.application["operation"] = {}
        return answer(method, path, *rest)

    monkeypatch.setattr(argo, "answer", begins)


@pytest.mark.parametrize("times", [1, 2])
def test_a_sync_that_begins_in_between_is_ended_and_the_rollback_asked_for_again(
    released: FakeArgo, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    _begin_syncs(released, monkeypatch, times)

    result = _run()

    name = "/api/v1/applications/coworking-prod"
    again = [f"POST {name}/rollback", f"DELETE {name}/operation"] * times
    changes = [call for call in released.calls if not call.startswith("GET")]
    assert changes == [f"PUT {name}", *again, f"POST {name}/rollback"]
    assert result.output.count("ending the running operation: a sync that is about to") == times
    assert released.live == "1-aaaaaaa"


def test_after_three_refusals_it_says_so(
    released: FakeArgo, monkeypatch: pytest.MonkeyPatch
) -> None:
    _begin_syncs(released, monkeypatch, 3)

    with pytest.raises(CiError, match="another operation is already in progress"):
        _run()

    rollbacks = [call for call in released.calls if call.endswith("/rollback")]
    assert len(rollbacks) == 3


# --- while git, or Argo CD's repo server, is away -------------------------------------------------


def test_auto_sync_goes_off_without_a_look_into_git(released: FakeArgo, git: Git) -> None:
    """Argo CD forgets git's commit, and a spec that it validates is refused."""
    released.unrendered = {git.tip(), "f" * 40}
    released.application["status"]["sync"] = {"status": "Unknown"}

    result = _run()

    assert released.live == "1-aaaaaaa"
    assert "prod serves 1-aaaaaaa again" in result.output
    assert "It reverts 2-bbbbbbb in git" in result.output


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ci.oncall.rollback.ASK_AGAIN_AFTER", 0.01)
    monkeypatch.setattr("ci.oncall.rollback.RENDERED_WITHIN", 1)


def _take_the_repo_server_away(argo: FakeArgo, git: Git) -> None:
    argo.unrendered = set(git._run(Path(git.url), "log", "--format=%H", "main").split())
    argo.application["status"]["sync"] = {"status": "Unknown"}
    began = "2026-11-28T1{}:00:00Z"
    for number, entry in enumerate(argo.application["status"]["history"]):
        times = {"deployStartedAt": began.format(number), "deployedAt": began.format(number)}
        argo.application["status"]["history"][number] = entry | times
    argo.replica_sets = {
        "coworking-a": ("1-aaaaaaa", "2026-11-28T10:00:04Z"),
        "coworking-b": ("2-bbbbbbb", "2026-11-28T11:00:04Z"),
    }


@pytest.mark.thorough
def test_without_the_repo_server_it_does_what_it_can_and_says_what_it_can_not(
    released: FakeArgo, git: Git, quick: None
) -> None:
    _take_the_repo_server_away(released, git)

    with pytest.raises(CiError, match="can't render commit") as raised:
        _run()

    said = str(raised.value)
    assert "(1-aaaaaaa)" in said  # named by its ReplicaSet
    assert "connection error" in said
    assert "Auto-sync is off, and 2-bbbbbbb still runs." in said
    assert "argocd-repo-server" in raised.value.hint
    assert "python -m ci rollback prod --to 0" in raised.value.hint
    assert "rollout undo deployment/coworking" in raised.value.hint
    assert released.application["spec"]["syncPolicy"]["automated"]["enabled"] is False
    assert released.calls.count("POST /api/v1/applications/coworking-prod/rollback") > 1


def test_a_repo_server_that_comes_back_meanwhile_is_waited_for(
    released: FakeArgo, git: Git, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    _take_the_repo_server_away(released, git)
    monkeypatch.setattr("ci.oncall.rollback.RENDERED_WITHIN", 60)
    answer = released.answer

    def comes_back(method: str, *call: Any) -> Any:
        answered = answer(method, *call)
        if method == "POST":
            released.unrendered.clear()
        return answered

    monkeypatch.setattr(released, "answer", comes_back)

    assert "asking again for 60 s" in _run().output
    assert released.live == "1-aaaaaaa"


def test_the_history_names_what_it_can_while_nothing_is_rendered(
    released: FakeArgo, git: Git
) -> None:
    _take_the_repo_server_away(released, git)
    del released.replica_sets["coworking-a"]
    old = released.application["status"]["history"][0]["revision"]

    result = _run("--list")

    assert "Argo CD can't render every version now: rpc error" in result.stderr
    assert f"The version of these entries is not known: 0 (commit {old[:8]})" in result.stderr
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["1", "0"]
    assert "2-bbbbbbb" in result.stdout.splitlines()[0]
    assert " ? " in result.stdout.splitlines()[1]


def test_ten_renders_that_hang_take_the_time_of_one(
    argo: FakeArgo, git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(10):
        git.deploy(f"{number}-aaaaaaa")
        argo.sync()
    _take_the_repo_server_away(argo, git)
    monkeypatch.setattr("ci.oncall.versions.RENDER_WITHIN", 0.3)
    argo.render_takes = 0.6
    api = connect({"ARGOCD_URL": argo.url, "ARGOCD_AUTH_TOKEN": "t"})
    app = Application.parse(argo.application)
    began = time.monotonic()

    found = name_versions(api, app, "prod", checkout=Path(git.url))

    assert time.monotonic() - began < 2
    assert "timed out" in found.trouble
    assert found.unnamed == ()


def test_a_checkout_names_a_commit_without_its_remote(released: FakeArgo, git: Git) -> None:
    _take_the_repo_server_away(released, git)
    released.replica_sets.clear()
    api = connect({"ARGOCD_URL": released.url, "ARGOCD_AUTH_TOKEN": "t"})
    app = Application.parse(released.application)

    found = name_versions(api, app, "prod", checkout=Path(git.url))

    assert [found.tag(entry.revision) for entry in app.entries] == ["1-aaaaaaa", "2-bbbbbbb"]
    assert found.unnamed == ()


def test_it_does_not_choose_past_an_entry_that_it_can_not_name(
    recorded: Callable[[str], Application],
) -> None:
    """A, then B, which was reverted by an entry without a name; now C is bad: never to B."""
    with pytest.raises(InputError, match="entry 2 in the history") as raised:
        choose(_app(recorded, "AB?C"), "C", lambda revision: revision.strip("?"), None)

    assert "may be one that was reverted since" in str(raised.value)
    assert "--to 1" in raised.value.hint


def test_a_replica_set_belongs_to_the_sync_that_it_was_made_in() -> None:
    def at(minute: int, second: int = 0) -> datetime:
        return datetime(2026, 1, 1, 0, minute, second, tzinfo=UTC)

    entries = [Entry(n, str(n), at(10 * n + 1), "", at(10 * n)) for n in (0, 1)]

    assert made_by(entries, at(0, 30)) == entries[0]
    assert made_by(entries, at(11, 20)) == entries[1]
    assert made_by(entries, at(5)) is None  # by hand, or by a sync that failed


@pytest.mark.parametrize(
    ("revisions", "unwanted"),
    [
        ("AB", "B"),  # the newest is what git asked for
        ("ABA", "B"),  # it was rolled back already
        ("ABB", "B"),
    ],
)
def test_while_git_is_away_the_last_that_it_asked_for_counts(
    recorded: Callable[[str], Application], revisions: str, unwanted: str
) -> None:
    app = _app(recorded, revisions)._replace(revision="", operation=None)
    known = Versions({name: name for name in revisions}, "away", ())

    assert unwanted_tag(app, known) == unwanted


def test_a_second_rollback_does_not_promise_to_revert_what_may_be_the_fix(
    released: FakeArgo, git: Git
) -> None:
    _run()
    git.deploy("3-ccccccc")
    released.application["status"]["sync"]["revision"] = git.tip()

    result = _run()

    assert "Git asks for 3-ccccccc, which prod has not served: it may be the fix." in result.output
    assert "resume prod --dry-run" in result.output
    assert "It reverts" not in result.output


def test_a_partial_clone_does_not_ask_its_remote(
    released: FakeArgo, git: Git, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is away. The git here stands for 2.45 and later, which ask unless they are told not to."""
    _take_the_repo_server_away(released, git)
    released.replica_sets.clear()
    asked, shim = tmp_path / "asked", tmp_path / "bin" / "git"
    shim.parent.mkdir()
    shim.write_text(
        f'#!/bin/sh\n[ "$GIT_NO_LAZY_FETCH" = 1 ] || touch {asked}\n'
        f'exec {shutil.which("git")} "$@"\n'
    )
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", f"{shim.parent}:{os.environ['PATH']}")
    api = connect({"ARGOCD_URL": released.url, "ARGOCD_AUTH_TOKEN": "t"})
    app = Application.parse(released.application)

    found = name_versions(api, app, "prod", checkout=Path(git.url))

    assert found.unnamed == ()
    assert not asked.exists()
