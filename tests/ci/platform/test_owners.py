"""`make configure OWNERS=`: the setting, and GitHub's file that follows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ci.tree import owners, settings
from tests.ci.platform.test_configure import configure, first_fork, fork, git

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["first_fork", "fork"]  # fixtures

TEAM = {"--owners": "@your-org/platform,@ada"}


def code_owners(folder: Path) -> list[str]:
    """The lines that say something."""
    lines = (folder / owners.FILE).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if not line.startswith("#")]


def test_owners_are_written_for_github_in_the_same_commit(fork: Path) -> None:
    done = configure(fork, **TEAM)
    assert done.returncode == 0, done.stderr
    assert code_owners(fork) == ["* @your-org/platform @ada"]
    assert settings.read(fork).owners == ("@your-org/platform", "@ada")
    named = git(fork, "show", "--name-only", "--format=", "HEAD").split()
    assert named == [owners.FILE, "settings.yaml"]
    assert git(fork, "status", "--porcelain") == ""


def test_without_owners_there_is_no_file(fork: Path) -> None:
    assert not (fork / owners.FILE).exists()
    configure(fork, **TEAM)
    done = configure(fork, **{"--owners": "none"})
    assert done.returncode == 0, done.stderr
    assert not (fork / owners.FILE).exists()
    assert settings.read(fork).owners == ()
    assert git(fork, "status", "--porcelain") == ""


def test_another_setting_leaves_the_owners(fork: Path) -> None:
    configure(fork, **TEAM)
    configure(fork, **{"--repository": "other"})
    assert code_owners(fork) == ["* @your-org/platform @ada"]


@pytest.mark.parametrize(
    "value",
    ["platform", "@", "@your-org/", "@-ada", "ada@", "@your-org/platform #", "@ada,@ada", "@a/b/c"],
)
def test_what_github_would_skip_is_refused(fork: Path, value: str) -> None:
    done = configure(fork, **{"--owners": value})
    assert done.returncode == 2
    assert "it takes accounts, teams or e-mail addresses" in done.stderr
    assert "For example @your-org/platform,@ada" in done.stderr
    assert not (fork / owners.FILE).exists()


def test_a_file_written_by_hand_stays(fork: Path) -> None:
    (fork / ".github").mkdir()
    (fork / owners.FILE).write_text("/base/ @ada\n", encoding="utf-8")
    git(fork, "add", ".")
    git(fork, "commit", "--quiet", "--message=Ours")

    assert configure(fork, **{"--repository": "other"}).returncode == 0
    refused = configure(fork, **TEAM)

    assert refused.returncode == 2
    assert "was written by hand" in refused.stderr
    assert (fork / owners.FILE).read_text(encoding="utf-8") == "/base/ @ada\n"
    assert git(fork, "status", "--porcelain") == ""


def test_a_refused_commit_leaves_no_file(fork: Path) -> None:
    hook = fork / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho not today >&2\nexit 1\n", encoding="utf-8")
    hook.chmod(0o755)

    done = configure(fork, **TEAM)

    assert done.returncode != 0
    assert "not today" in done.stderr
    assert git(fork, "status", "--porcelain") == ""
