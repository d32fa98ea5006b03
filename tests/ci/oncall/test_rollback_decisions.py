"""What a rollback plans, when it is there, and what it says comes next, each by itself."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from ci.argocd.application import Entry, Operation
from ci.errors import CiError
from ci.oncall import rollback
from ci.oncall.choice import Choice
from ci.oncall.rollback import is_there, steps, what_comes_next
from ci.oncall.versions import Versions

if TYPE_CHECKING:
    from collections.abc import Callable

    from ci.argocd.application import Application

OLD = Entry(4, "a" * 40, datetime(2026, 5, 1, 12, 0, 59, tzinfo=UTC), "ada")
NEW = Entry(5, "b" * 40, None, "")
CHOICE = Choice(OLD, "1-aaaaaaa", "2-bbbbbbb")
ROLL = "roll coworking-prod back from 2-bbbbbbb to 1-aaaaaaa (entry 4, commit aaaaaaaa)"
OFF = "turn auto-sync off (automated.enabled: false), as the web page does"


def operation(phase: str, message: str = "") -> Operation:
    return Operation(phase, message, "", None, (), 0)


@pytest.fixture
def prod(recorded: Callable[[str], Application]) -> Application:
    """prod, rolled back to 1-aaaaaaa: nothing is left to do."""
    return recorded("rolled-back")._replace(
        auto_sync=False,
        queued=False,
        entries=(NEW, OLD),
        operation=operation("Succeeded"),
    )


def test_where_the_chosen_version_is_there_nothing_is_left_to_do(prod: Application) -> None:
    assert is_there(prod, CHOICE, "1-aaaaaaa")
    assert steps(prod, CHOICE, "1-aaaaaaa") == []


@pytest.mark.parametrize(
    ("changed", "live", "planned"),
    [
        ({"entries": (OLD, NEW)}, "1-aaaaaaa", [ROLL.replace("2-bbbbbbb", "1-aaaaaaa")]),
        ({}, "2-bbbbbbb", [ROLL]),
        ({}, "", [ROLL.replace("2-bbbbbbb", "nothing")]),
        ({"operation": None}, "2-bbbbbbb", [ROLL]),
        ({"operation": operation("Failed")}, "2-bbbbbbb", [ROLL]),
        ({"auto_sync": True}, "2-bbbbbbb", [OFF, ROLL]),
        (
            {"operation": operation("Running", "waiting for a hook")},
            "2-bbbbbbb",
            ["end the running operation (waiting for a hook)", ROLL],
        ),
        (
            {"operation": operation("Terminating")},
            "2-bbbbbbb",
            ["end the running operation (Terminating)", ROLL],
        ),
        (
            {"queued": True, "operation": operation("Succeeded", "done")},
            "2-bbbbbbb",
            ["end the running operation (a sync that is about to begin)", ROLL],
        ),
        (
            {"queued": True, "operation": None},
            "2-bbbbbbb",
            ["end the running operation (a sync that is about to begin)", ROLL],
        ),
    ],
)
def test_the_plan_has_what_is_left_to_do_in_order(
    prod: Application, changed: dict[str, Any], live: str, planned: list[str]
) -> None:
    assert steps(prod._replace(**changed), CHOICE, live) == planned


def test_auto_sync_that_is_on_would_undo_it_so_it_is_rolled_back_all_the_same(
    prod: Application,
) -> None:
    planned = steps(prod._replace(auto_sync=True), CHOICE, "1-aaaaaaa")
    assert planned == [OFF, ROLL.replace("2-bbbbbbb", "1-aaaaaaa")]


def test_a_version_without_a_name_is_a_question_mark(prod: Application) -> None:
    assert steps(prod, CHOICE._replace(tag=""), "2-bbbbbbb") == [ROLL.replace("1-aaaaaaa", "?")]


REVERTS = "It reverts 2-bbbbbbb in git and turns auto-sync on again."


@pytest.mark.parametrize(
    ("unwanted", "auto_sync", "expected"),
    [
        ("2-bbbbbbb", False, REVERTS),
        ("2-bbbbbbb", True, REVERTS),
        ("3-ccccccc", True, REVERTS.replace("2-bbbbbbb", "3-ccccccc")),
        ("", False, REVERTS.replace("2-bbbbbbb", "the version")),
        ("3-ccccccc", False, "What resuming would do with it:  python -m ci resume prod --dry-run"),
    ],
)
def test_what_was_never_served_may_be_the_fix(
    prod: Application, unwanted: str, auto_sync: bool, expected: str
) -> None:
    versions = Versions({OLD.revision: "1-aaaaaaa", NEW.revision: "2-bbbbbbb"}, "", ())
    app = prod._replace(auto_sync=auto_sync)
    assert what_comes_next(app, "prod", unwanted, versions).splitlines()[1] == expected


def deployment(tag: str, *, done: bool = True) -> dict[str, Any]:
    containers = [{"name": "coworking", "image": f"r.example.com/coworking:{tag}"}]
    counts = {"replicas": 2, "updatedReplicas": 2 if done else 1, "availableReplicas": 2}
    return {
        "kind": "Deployment",
        "metadata": {"name": "coworking"},
        "spec": {"template": {"spec": {"containers": containers}}},
        "status": counts,
    }


@pytest.mark.parametrize(
    ("changed", "live", "tag", "serves"),
    [
        ({}, deployment("1-aaaaaaa"), "1-aaaaaaa", True),
        ({}, deployment("2-bbbbbbb"), "1-aaaaaaa", False),
        ({}, deployment("2-bbbbbbb"), "", True),  # by its commit alone: whatever it brought
        ({}, deployment("1-aaaaaaa", done=False), "1-aaaaaaa", False),
        ({}, {}, "1-aaaaaaa", False),
        ({"queued": True}, deployment("1-aaaaaaa"), "1-aaaaaaa", False),
        ({"operation": operation("Running")}, deployment("1-aaaaaaa"), "1-aaaaaaa", False),
        # The failure is that of the sync before, while the next one is queued.
        ({"queued": True, "operation": operation("Failed", "no")}, {}, "1-aaaaaaa", False),
        ({"operation": None}, deployment("1-aaaaaaa"), "1-aaaaaaa", True),
    ],
)
def test_it_serves_once_only_pods_of_the_chosen_version_are_there(
    prod: Application,
    monkeypatch: pytest.MonkeyPatch,
    *,
    changed: dict[str, Any],
    live: dict[str, Any],
    tag: str,
    serves: bool,
) -> None:
    monkeypatch.setattr(rollback, "read", lambda *_: (prod._replace(**changed), {}))
    monkeypatch.setattr(rollback, "live_deployment", lambda *_: live)
    api: Any = None
    assert rollback._serves(api, "prod", CHOICE._replace(tag=tag)) is serves


@pytest.mark.parametrize("words", rollback.UNRENDERED)
@pytest.mark.parametrize("phase", ["Failed", "Error"])
def test_a_commit_that_is_not_rendered_is_told_from_one_that_fails(
    prod: Application, monkeypatch: pytest.MonkeyPatch, words: str, phase: str
) -> None:
    app = prod._replace(operation=operation(phase, f"{words}: away"))
    monkeypatch.setattr(rollback, "read", lambda *_: (app, {}))
    monkeypatch.setattr(rollback, "live_tag", lambda *_: "")
    api: Any = None
    with pytest.raises(rollback.NotRenderedError) as raised:
        rollback._serves(api, "prod", CHOICE._replace(tag=""))
    assert str(raised.value) == (
        f"Argo CD can't render commit aaaaaaaa (?): {words}: away\n"
        "Auto-sync is off, and nothing still runs."
    )
    assert "kubectl -n coworking-prod rollout undo deployment/coworking" in raised.value.hint


def test_the_history_shows_time_tag_commit_and_who(
    prod: Application, capsys: pytest.CaptureFixture[str]
) -> None:
    rollback._list_entries(prod, Versions({OLD.revision: "1-aaaaaaa"}, "", ()))
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["4", "2026-05-01", "12:00", "UTC", "1-aaaaaaa", "commit", "aaaaaaaa", "ada"],
        ["5", "?", "commit", "bbbbbbbb"],
    ]


@pytest.mark.parametrize(
    ("words", "called"),
    [([], "roll back"), (["--list"], "list"), (["--dry-run"], "show 1")],
)
def test_the_command_does_one_thing(
    prod: Application, monkeypatch: pytest.MonkeyPatch, words: list[str], called: str
) -> None:
    done: list[str] = []

    def roll_back(*_: Any) -> float:
        done.append("roll back")
        return 1.0

    known = Versions({OLD.revision: "1-aaaaaaa", NEW.revision: "2-bbbbbbb"}, "", ())
    app = prod._replace(entries=(OLD, NEW), revision=NEW.revision)
    monkeypatch.setattr(rollback, "connect", lambda _: SimpleNamespace())
    monkeypatch.setattr(rollback, "read", lambda *_: (app, {}))
    monkeypatch.setattr(rollback, "live_tag", lambda *_: "2-bbbbbbb")
    monkeypatch.setattr(rollback, "name_versions", lambda *_: known)
    monkeypatch.setattr(rollback, "roll_back", roll_back)
    monkeypatch.setattr(rollback, "_list_entries", lambda *_: done.append("list"))
    monkeypatch.setattr(rollback, "show_dry_run", lambda lines: done.append(f"show {len(lines)}"))
    CliRunner().invoke(rollback.command, ["prod", *words], catch_exceptions=False)
    assert done == [called]


def test_without_a_history_there_is_nothing_to_go_back_to(
    prod: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollback, "connect", lambda _: None)
    monkeypatch.setattr(rollback, "read", lambda *_: (prod._replace(entries=()), {}))
    with pytest.raises(CiError, match="coworking-prod has no history: nothing was ever synced"):
        CliRunner().invoke(rollback.command, ["prod"], catch_exceptions=False)
