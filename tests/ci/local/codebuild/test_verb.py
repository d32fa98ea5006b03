"""`python -m ci codebuild` on a small repository."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.ci.verbs import in_this_process

ROOT = Path(__file__).parents[4]
SPEC = """\
version: 0.2
env: {exported-variables: [IMAGE_TAG]}
phases:
  build:
    commands:
      - export IMAGE_TAG=$CODEBUILD_BUILD_NUMBER-$(git rev-parse --short=8 HEAD)
      - test "$(git rev-parse HEAD)" = $CODEBUILD_RESOLVED_SOURCE_VERSION
      - test "$STOP" != yes
"""


def codebuild(
    remote: Any, *words: str, source: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    source = source or str(remote.path)
    return subprocess.run(
        [sys.executable, "-m", "ci", "codebuild", *words, "--source", source],
        cwd=ROOT,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def commit(remote: Any) -> str:
    remote.person.commit("buildspec.yaml", SPEC)
    remote.person.push()
    return remote.tip


def test_it_builds_a_commit_and_shows_the_seconds_of_each_phase(remote: Any, commit: str) -> None:
    remote.person.ship()
    done = codebuild(remote, "buildspec.yaml", "--number", "57", "--commit", commit)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[-2].startswith("build       succeeded ")
    assert lines[-2].endswith(" s")
    assert lines[-1] == f"exported    IMAGE_TAG=57-{commit[:8]}"


def test_a_failed_build_exits_1(remote: Any, commit: str) -> None:
    done = codebuild(remote, "buildspec.yaml", STOP="yes")
    assert done.returncode == 1
    assert "build       failed " in done.stdout
    assert "error: the build failed" in done.stderr


def test_a_missing_buildspec_is_named(remote: Any, commit: str) -> None:
    done = codebuild(remote, "none.yaml")
    assert done.returncode == 2
    assert "none.yaml can't be read" in done.stderr


def test_a_source_may_be_a_url_and_a_branch_is_found_in_it(remote: Any, commit: str) -> None:
    remote.person.git("push", "-q", "origin", f"{commit}:refs/heads/a/branch")
    remote.person.ship()
    done = codebuild(remote, "buildspec.yaml", "--commit", "a/branch", source=remote.url)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(f"IMAGE_TAG=1-{commit[:8]}\n")


def test_called_from_a_hook_it_leaves_the_hooks_repository_alone(remote: Any, commit: str) -> None:
    """git sets GIT_DIR for its hooks, which turned the clone's checkout against that repository."""
    here = str(remote.person.folder)
    done = codebuild(remote, "buildspec.yaml", GIT_DIR=f"{here}/.git", GIT_WORK_TREE=here)
    assert done.returncode == 0, done.stderr
    assert remote.person.git("status", "--short", "--branch").startswith("## main")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--commit=nope"], "--commit 'nope' is not a commit of the source"),
        (["--commit=--all"], "--commit '--all' is not a commit of the source"),
        (["--source=/no/such/folder"], "--source '/no/such/folder' can't be cloned"),
        (["--source=https://me:s3cret@example.org/x.git"], "has a user name or password in it"),
    ],
)
def test_what_cannot_be_built_is_named(words: list[str], sentence: str, remote: Any) -> None:
    done = in_this_process("codebuild", "buildspec.yaml", f"--source={remote.path}", *words)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "s3cret" not in done.stderr
