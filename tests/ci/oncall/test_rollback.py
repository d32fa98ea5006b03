"""Which version a rollback goes back to, and what it does on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from ci.argocd.application import Application, Entry
from ci.argocd.environment import is_rolled_out
from ci.errors import InputError
from ci.oncall.rollback import choose, command, steps

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
    app = _app(recorded, "ABC")

    assert choose(app, "C", str, "0").entry.id == 0
    assert choose(app, "C", str, "B").entry.id == 1
    with pytest.raises(InputError, match="'9' is not an entry"):
        choose(app, "C", str, "9")


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
