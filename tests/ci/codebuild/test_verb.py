"""`python -m ci codebuild` on a small repository."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
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


def codebuild(remote: Any, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ci", "codebuild", *words, "--source", str(remote.path)],
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
