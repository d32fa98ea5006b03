"""Git first, then auto-sync; and a stop wherever something else would go live."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from ci.errors import CiError
from ci.git.access import place
from ci.oncall.resume import command
from ci.oncall.rollback import command as rollback
from ci.oncall.rolled_back import deployments_since
from ci.tree.difference import difference
from ci.version.order import Version
from tests.ci.argocd_server import OVERLAY

if TYPE_CHECKING:
    from tests.ci.argocd_server import FakeArgo, Git


@pytest.fixture
def rolled_back(argo: FakeArgo, git: Git) -> FakeArgo:
    """prod, with 1-aaaaaaa released, then 2-bbbbbbb, which was rolled back from."""
    for tag in ("1-aaaaaaa", "2-bbbbbbb"):
        git.deploy(tag)
        argo.sync()
    CliRunner().invoke(rollback, ["prod"], catch_exceptions=False)
    argo.calls.clear()
    return argo


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(command, ["prod", *arguments], catch_exceptions=False)


def _auto_sync(argo: FakeArgo) -> bool:
    return "enabled" not in argo.application["spec"]["syncPolicy"]["automated"]


def test_it_takes_the_version_out_of_git_and_turns_auto_sync_on(
    rolled_back: FakeArgo, git: Git
) -> None:
    bad = git.tip()

    result = _run()

    assert 'newTag: "1-aaaaaaa"' in git.read(OVERLAY)
    assert f"This reverts commit {bad}." in git.log()
    assert _auto_sync(rolled_back)
    assert rolled_back.live == "1-aaaaaaa"
    assert "the next build of apps/coworking brings the fault back" in result.output


def test_a_dry_run_says_what_it_would_do_and_does_nothing(rolled_back: FakeArgo, git: Git) -> None:
    tip = git.tip()

    result = _run("--dry-run")

    assert f"from 2-bbbbbbb back to 1-aaaaaaa, which reverts {tip[:8]}" in result.output
    assert git.tip() == tip
    assert not _auto_sync(rolled_back)


def test_a_revert_by_hand_is_enough_for_git(rolled_back: FakeArgo, git: Git) -> None:
    reverted = git.deploy("1-aaaaaaa")

    result = _run()

    assert "The source still has" not in result.output
    assert git.tip() == reverted
    assert _auto_sync(rolled_back)


def test_it_shows_other_changes_and_stops_until_they_are_accepted(
    rolled_back: FakeArgo, git: Git
) -> None:
    git.commit("level", "DEBUG")

    with pytest.raises(CiError, match=r"git has moved on with other changes") as raised:
        _run()
    assert "+  LOG_LEVEL: DEBUG" in str(raised.value)
    assert "--accept" in raised.value.hint
    assert "Otherwise revert the commits of the other changes first." in raised.value.hint
    assert not _auto_sync(rolled_back)

    _run("--accept")
    assert _auto_sync(rolled_back)
    assert 'newTag: "1-aaaaaaa"' in git.read(OVERLAY)


def test_a_newer_deployment_stops_it_and_both_ways_on_are_named(
    rolled_back: FakeArgo, git: Git
) -> None:
    git.deploy("3-ccccccc")

    with pytest.raises(CiError, match="git has moved on: 3-ccccccc was deployed") as raised:
        _run()

    assert "resume prod --accept" in raised.value.hint
    assert "resume prod --stay" in raised.value.hint
    assert "other changes" not in raised.value.hint
    assert not _auto_sync(rolled_back)


def test_accepting_a_newer_deployment_lets_it_go_live(rolled_back: FakeArgo, git: Git) -> None:
    newest = git.deploy("3-ccccccc")

    _run("--accept")

    assert git.tip() == newest
    assert rolled_back.live == "3-ccccccc"


def test_staying_takes_a_newer_deployment_back_too(rolled_back: FakeArgo, git: Git) -> None:
    git.deploy("3-ccccccc")

    _run("--stay")

    assert 'newTag: "1-aaaaaaa"' in git.read(OVERLAY)
    assert rolled_back.live == "1-aaaaaaa"
    assert git.log().count("This reverts commit") == 2


def test_a_dry_run_refuses_what_the_call_itself_refuses(rolled_back: FakeArgo, git: Git) -> None:
    git.deploy("3-ccccccc")

    refused = {}
    for options in ((), ("--dry-run",)):
        with pytest.raises(CiError) as raised:
            _run(*options)
        refused[options] = str(raised.value), raised.value.hint
    assert refused[()] == refused["--dry-run",]

    shown = _run("--dry-run", "--accept").output
    assert "git has moved on: 3-ccccccc was deployed" in shown
    assert "let 3-ccccccc go live" in shown
    assert "back to 1-aaaaaaa" not in shown


def test_a_newer_version_and_other_changes_are_both_named_and_both_shown_when_accepted(
    rolled_back: FakeArgo, git: Git
) -> None:
    git.commit("level", "DEBUG")
    git.deploy("3-ccccccc")

    with pytest.raises(CiError, match="git has moved on: 3-ccccccc was deployed") as raised:
        _run()
    assert "git also has other changes" in str(raised.value)
    assert "+  LOG_LEVEL: DEBUG" in str(raised.value)

    with pytest.raises(CiError, match="git has moved on with other changes") as raised:
        _run("--stay")
    assert "resume prod --stay --accept" in raised.value.hint

    shown = _run("--accept").output
    assert "3-ccccccc was deployed" in shown
    assert "+  LOG_LEVEL: DEBUG" in shown
    assert rolled_back.live == "3-ccccccc"


def test_source_is_refused_before_anything_is_done_where_the_commits_are_not_known(
    rolled_back: FakeArgo, git: Git
) -> None:
    """A hotfix's tag, and one of a rewritten history, don't lead to a commit."""
    tip = git.tip()

    for options in (("--source",), ("--source", "--dry-run")):
        with pytest.raises(CiError, match="can't find the commits between 1-aaaaaaa and 2-bbbb"):
            _run(*options)

    assert git.tip() == tip
    assert not _auto_sync(rolled_back)


def test_source_is_refused_where_git_does_not_say_any_more_what_was_rolled_back_from(
    rolled_back: FakeArgo, git: Git
) -> None:
    git.deploy("1-aaaaaaa")

    with pytest.raises(CiError, match="git asks for 1-aaaaaaa already"):
        _run("--source")

    assert not _auto_sync(rolled_back)


def test_source_and_accept_of_a_newer_version_contradict_each_other(
    rolled_back: FakeArgo, git: Git
) -> None:
    git.deploy("3-ccccccc")

    with pytest.raises(CiError, match="--accept lets 3-ccccccc go live, and --source reverts"):
        _run("--source", "--accept")


@pytest.mark.parametrize("followed", ["HEAD", "", "refs/heads/main"])
def test_what_argo_cd_follows_by_another_name_is_the_branch(
    rolled_back: FakeArgo, git: Git, followed: str
) -> None:
    rolled_back.application["spec"]["source"]["targetRevision"] = followed

    _run()

    assert 'newTag: "1-aaaaaaa"' in git.read(OVERLAY)
    assert _auto_sync(rolled_back)


def test_a_revision_that_is_no_branch_names_the_file_that_says_so(rolled_back: FakeArgo) -> None:
    rolled_back.application["spec"]["source"]["targetRevision"] = "v1.0"

    with pytest.raises(CiError, match=r"has no branch 'v1\.0'") as raised:
        _run()

    assert "`targetRevision` in argocd/apps/coworking-prod.yaml" in raised.value.hint
    assert "--branch" not in raised.value.hint


def test_it_refuses_to_guess_when_something_else_runs(rolled_back: FakeArgo) -> None:
    rolled_back.live = "by-hand"

    with pytest.raises(CiError, match="by-hand runs, and Argo CD last deployed 1-aaaaaaa"):
        _run()


def test_without_a_history_it_says_so(rolled_back: FakeArgo) -> None:
    rolled_back.application["status"]["history"] = []

    with pytest.raises(CiError, match="coworking-prod has no history: nothing was ever deployed"):
        _run()


def test_there_is_nothing_to_resume_while_auto_sync_is_on(argo: FakeArgo, git: Git) -> None:
    git.deploy("1-aaaaaaa")
    argo.sync()

    assert "there is nothing to resume" in _run().output


def test_the_first_version_since_is_the_unwanted_one_when_none_was_ever_deployed() -> None:
    versions = [Version(c, t, None, None) for c, t in (("3", "C"), ("2", "B"))]

    undo = deployments_since(versions, "A", lambda _: False)

    assert [v.tag for v in undo.unwanted] == ["B"]
    assert [v.tag for v in undo.newer] == ["C"]


def test_the_tag_and_a_secret_are_no_part_of_the_difference() -> None:
    def job(tag: str, secret: str) -> list[dict[str, object]]:
        return [
            {
                "kind": "Job",
                "metadata": {"name": "j"},
                "spec": [{"image": f"r.example.com/c:{tag}"}],
            },
            {"kind": "Secret", "metadata": {"name": "s"}, "data": {"x": secret}},
        ]

    assert difference(job("1", "a"), job("2", "b"), "r.example.com/c") == []
    assert difference(job("1", "a"), job("2", "a"), "r.example.com/other") != []


def test_the_same_place_is_known_over_https_and_ssh() -> None:
    assert place("git@github.com:Owner/x.git") == place("https://GitHub.com/Owner/x")
    assert place("ssh://git@github.com/o/x") != place("https://github.com/o/y")


def test_a_git_server_that_is_away_is_a_sentence_and_changes_nothing(rolled_back: FakeArgo) -> None:
    with pytest.raises(CiError, match="/no/such/folder can't be read") as raised:
        _run("--url", "/no/such/folder")

    assert "GIT_TOKEN" in raised.value.hint
    assert not _auto_sync(rolled_back)


def test_what_runs_is_the_newest_of_the_history(argo: FakeArgo, git: Git) -> None:
    for tag in ("1-aaaaaaa", "2-bbbbbbb", "3-ccccccc"):
        git.deploy(tag)
        argo.sync()
    CliRunner().invoke(rollback, ["prod"], catch_exceptions=False)

    result = _run()

    assert result.exit_code == 0
    assert 'newTag: "2-bbbbbbb"' in git.read(OVERLAY)
    assert argo.live == "2-bbbbbbb"
