"""`ci/buildspec.pr.yaml` run whole: its checks, its comment, and that it pushes nothing."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.ci import github as github_stand_in
from tests.ci.local.codebuild import stand_ins

if TYPE_CHECKING:
    from tests.ci.github import GitHub

World = Any
MAKES = ["make install", "make test ", "make check", "make test-long"]
# `make install` makes a python that is none: it writes down what it is asked, as `make` does.
MAKE_AND_PYTHON = """#!/bin/sh
echo "${0##*/} $*" >>"$CALLS"
case "${0##*/} $*" in *"${BREAK:-nothing}"*) exit 1 ;; esac
[ "${0##*/} $*" != "make install" ] || { mkdir -p .venv/bin && cp "$0" .venv/bin/python; }
"""
FILE = "overlays/prod/coworking/kustomization.yaml"


@pytest.fixture
def pull_request(world: World, aws: str, github: GitHub) -> dict[str, str]:
    """What CodeBuild and the project set for the build of pull request 7."""
    secret = "coworking/comment-token"
    secrets = stand_ins.client("secretsmanager", aws)
    secrets.create_secret(Name=secret, SecretString=github_stand_in.TOKEN)
    return {
        "COMMENT_TOKEN_SECRET": secret,
        "CODEBUILD_SOURCE_REPO_URL": "https://github.com/shop/shop.git",
        "CODEBUILD_WEBHOOK_BASE_REF": "refs/heads/main",
        "CODEBUILD_WEBHOOK_TRIGGER": "pr/7",
        "GITHUB_API_URL": github.address,
    }


def propose(world: World, old: str, new: str) -> None:
    """Clone the repository and commit a change of prod's overlay there."""
    world.clone()
    file = world.source / FILE
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    identity = ("-c", "user.name=Person", "-c", "user.email=person@example.org")
    subprocess.run(["git", *identity, "commit", "-qam", "A"], cwd=world.source, check=True)


@pytest.mark.thorough  # a build, as the next one; what they come to is below, by the commands alone
def test_a_good_proposal_is_green_and_its_comment_says_what_changes(
    world: World, pull_request: dict[str, str], github: GitHub
) -> None:
    propose(world, "LOG_LEVEL=INFO", "LOG_LEVEL=DEBUG")

    outcome, log = world.run("buildspec.pr.yaml", **pull_request)

    assert outcome.succeeded, log
    assert {report.name for report in outcome.reports} == {"validate.xml"}
    assert '"version": "2.1.0"' in (world.source / "reports/validate.sarif").read_text()
    assert "+  LOG_LEVEL: DEBUG" in github.comments[-1]["body"]
    assert github_stand_in.TOKEN not in log
    assert not [call for call in world.calls() if call.startswith("docker")]
    assert world.git("rev-parse", "main") == world.commit


@pytest.mark.thorough
def test_a_proposal_with_a_fault_is_red_and_is_commented_all_the_same(
    world: World, pull_request: dict[str, str], github: GitHub
) -> None:
    propose(world, "LOG_LEVEL=INFO", "LOG_LEVEL=INFO\n      - DB_HOST=nowhere")

    outcome, log = world.run("buildspec.pr.yaml", **pull_request)

    assert not outcome.succeeded
    assert "<failure" in (world.source / "reports/validate.xml").read_text()
    assert "nowhere" in github.comments[-1]["body"], log


@pytest.mark.parametrize(
    ("break_at", "commands"),
    [
        ("", [*MAKES, "validate", "comment"]),
        ("validate", [*MAKES, "validate", "comment"]),
        ("comment", [*MAKES, "validate", "comment"]),
        ("make check", MAKES[:3]),
    ],
)
def test_the_comment_is_made_whatever_the_checker_finds_and_each_failure_is_red(
    world: World, break_at: str, commands: list[str]
) -> None:
    """By the buildspec's commands alone, each of which fails when it is told to."""
    world.clone()
    (Path(world.environment["CALLS"]).parent / "tools/make").write_text(MAKE_AND_PYTHON)
    outcome, log = world.run("buildspec.pr.yaml", BREAK=break_at)
    assert outcome.succeeded is not bool(break_at), log
    called = world.calls()
    assert [next(name for name in commands if name in call) for call in called] == commands
    reports = [call for call in called if "-m ci validate" in call]
    assert all("--report reports/validate.xml" in call for call in reports)


@pytest.mark.thorough  # a build; what the comment's step does is tested in tests/ci/review
def test_without_a_token_the_comment_is_in_the_log_and_the_build_is_green(
    world: World, pull_request: dict[str, str], aws: str, github: GitHub
) -> None:
    """As a first deploy leaves it: the stack makes the secret without a value."""
    secret = "coworking/no-token-yet"
    stand_ins.client("secretsmanager", aws).create_secret(Name=secret)
    propose(world, "LOG_LEVEL=INFO", "LOG_LEVEL=DEBUG")

    outcome, log = world.run("buildspec.pr.yaml", **pull_request | {"COMMENT_TOKEN_SECRET": secret})

    assert outcome.succeeded, log
    assert f"The secret {secret} has no value" in log
    assert "+  LOG_LEVEL: DEBUG" in log
    assert github.writes == []
