"""`python -m ci promote`: what it prints, what it writes, and what it leaves alone."""

from __future__ import annotations

from typing import Any

import pytest

from ci.errors import CiError, InputError, PolicyError
from ci.ship import gates, promote
from ci.tree.overlays import environments
from ci.version.message import Message

World = Any
PROD = "overlays/prod/coworking/image/kustomization.yaml"


def branch_of(world: World) -> str:
    return f"deploy/prod/coworking-{world.tag}"


@pytest.mark.thorough
def test_it_proposes_exactly_devs_tag_on_a_branch(world: World) -> None:
    result = world.ci("promote")
    assert result.exit_code == 0, result.output
    assert result.output.startswith(f"coworking: prod {world.old} -> {world.tag}\n")
    assert f"Pushed branch {branch_of(world)}: merge it into main to deploy." in result.output
    assert f'newTag: "{world.tag}"' in world.remote.file(PROD, at=branch_of(world))
    assert world.tag not in world.remote.file(PROD)
    lines = world.message(branch_of(world)).splitlines()
    assert lines[0] == f"deploy(prod): coworking {world.old} -> {world.tag}"
    assert "Promoted-From: dev" in lines
    assert "Build: 57" in lines
    assert not [line for line in lines if line.startswith("Gate-Override")]


def test_the_same_call_again_finds_its_branch(world: World) -> None:
    world.ci("promote")
    commit = world.remote.git("rev-parse", branch_of(world))
    assert world.ci("promote").exit_code == 0
    assert world.remote.git("rev-parse", branch_of(world)) == commit


def test_a_gate_that_holds_stops_it_and_says_how_to_mend_it(world: World) -> None:
    world.findings = {"CRITICAL": 2}
    result = world.ci("promote")
    assert isinstance(result.exception, CiError)
    assert (result.exception.exit_code, str(result.exception)) == (1, "blocked by scanned")
    assert "  blocks      scanned         the scan found 2 critical" in result.output
    assert "update what it found" in result.output
    assert "  passes      soaked" in result.output
    assert world.branches() == {"main"}


def test_an_overridden_gate_is_written_into_the_commit_with_its_reason(world: World) -> None:
    world.findings = {"CRITICAL": 2}
    result = world.ci("promote", "--override", "scanned", "--reason", "not reachable, see SEC-1")
    assert result.exit_code == 0, result.output
    assert "  overridden  scanned" in result.output
    message = world.message(branch_of(world))
    assert "Gate-Override: scanned\nReason: not reachable, see SEC-1" in message


def test_a_gate_that_passes_by_itself_is_not_called_overridden(world: World) -> None:
    world.ci("promote", "--override", "soaked", "--reason", "in a hurry")
    assert "Gate-Override" not in world.message(branch_of(world))


@pytest.mark.parametrize(
    "words",
    [
        ["--override", "soaked"],
        ["--override", "soaked", "--reason", "two\nlines"],
        ["--reason", "for nothing"],
    ],
)
def test_an_override_and_its_reason_go_together(world: World, words: list[str]) -> None:
    result = world.ci("promote", *words)
    assert isinstance(result.exception, InputError)
    assert world.branches() == {"main"}


def test_an_environment_that_there_is_not_is_named_with_those_that_there_are(world: World) -> None:
    result = world.ci("promote", "--to", "stage")
    there_is = " or ".join(environments())
    assert str(result.exception) == f"there is no environment 'stage'; there is {there_is}"


def test_a_dry_run_asks_the_gates_and_changes_nothing(world: World) -> None:
    tip = world.remote.tip
    result = world.ci("promote", "--dry-run")
    assert result.exit_code == 0
    assert result.output.count("  passes ") == 6
    assert (world.branches(), world.remote.tip) == ({"main"}, tip)


def test_with_push_it_is_a_commit_on_the_branch_itself(world: World) -> None:
    result = world.ci("promote", "--push")
    assert result.exit_code == 0, result.output
    assert f'newTag: "{world.tag}"' in world.remote.file(PROD)
    assert world.message("main").splitlines()[0].endswith("[skip ci]")
    again = world.ci("promote", "--push")
    assert again.output == f"prod has {world.tag} already; nothing to promote\n"


def test_what_another_promotion_has_written_meanwhile_is_not_taken_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gates had compared with the version before: a newer one was replaced by an older."""

    def ask_and_lose_the_race(candidate: Any, **options: Any) -> Any:
        states = gates.ask(candidate, **options)
        newer = world.remote.file(PROD).replace(world.old, "58-1f2e3d4c")
        world.remote.person.pull()
        world.remote.person.commit(PROD, newer)
        world.remote.person.push()
        return states

    monkeypatch.setattr(promote, "ask", ask_and_lose_the_race)
    result = world.ci("promote", "--push")
    assert str(result.exception).startswith(
        f"prod has just moved on from {world.old} to 58-1f2e3d4c"
    )
    assert 'newTag: "58-1f2e3d4c"' in world.remote.file(PROD)


def test_with_push_a_protected_branch_still_refuses(world: World) -> None:
    world.remote.hook("update", "exit 1")
    assert isinstance(world.ci("promote", "--push").exception, PolicyError)


def test_on_github_it_is_a_pull_request_and_only_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_API_URL", world.url)
    monkeypatch.setenv("GITHUB_REPOSITORY", "o/r")
    monkeypatch.setenv("GIT_TOKEN", "t0ken")
    for _ in range(2):
        result = world.ci("promote")
        assert "Proposed: https://github.com/o/r/pull/7" in result.output
    sent = world.posted[0]
    assert (sent["head"], sent["base"]) == (branch_of(world), "main")
    assert sent["title"] == f"deploy(prod): coworking {world.old} -> {world.tag}"
    assert "| soaked | passes |" in sent["body"]
    # A squash merge may make its message of either.
    message = Message.parse(b"tree x\n\nPromote (#7)\n\n" + sent["body"].encode())
    assert message.trailers["Promoted-From"] == "dev"
    assert message.trailers["Source-Commit"].startswith(world.tag.partition("-")[2])
    assert "t0ken" not in result.output


def test_without_credentials_for_aws_the_gates_say_that(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They said "build again" and "wait for the scan"."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HOME", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)
    result = world.ci("promote", "--dry-run")
    lines = [" ".join(line.split()) for line in result.output.splitlines()]
    unable = [line.split()[1] for line in lines if "it can't be asked: AWS can't be asked" in line]
    assert unable == ["same-image", "scanned"]
    assert sum(line.startswith("Log in to AWS") for line in lines) == 1
    assert "by whom" not in result.output
    assert "Wait" not in result.output


def test_without_a_login_the_gates_say_that(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """They said "find out by whom", "wait for the scan" and "wait"."""
    for name in ("ARGOCD_SERVER", "ARGOCD_AUTH_TOKEN", "ARGOCD_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ARGOCD_CONFIG_DIR", "/nonexistent")
    result = world.ci("promote", "--dry-run")
    lines = [" ".join(line.split()) for line in result.output.splitlines()]
    unable = [line for line in lines if "it can't be asked: no Argo CD is named" in line]
    assert [line.split()[1] for line in unable] == ["healthy", "same-image", "soaked"]
    assert sum(line.startswith("argocd login ADDRESS") for line in lines) == 1
    assert "by whom" not in result.output
    assert "Wait" not in result.output


def test_an_unknown_gate_can_not_be_overridden(world: World) -> None:
    result = world.ci("promote", "--override", "scaned", "--reason", "in a hurry")
    assert result.exit_code == 2
    assert "'scaned' is not one of 'healthy'" in result.output
    assert world.branches() == {"main"}
