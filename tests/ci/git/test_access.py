"""What a person's own git answers, and does not."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from ci.errors import InputError
from ci.git import access as git_access
from ci.tree import settings
from tests.ci.conftest import REGISTRY
from tests.ci.verbs import in_this_process

if TYPE_CHECKING:
    from pathlib import Path

Remote = Any


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The person's own configuration."""
    file = tmp_path / "gitconfig"
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(file))
    return file


def test_a_name_that_is_not_utf_8_ends_nothing(
    remote: Remote, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account, _, _, region, *_ = REGISTRY.split(".")  # a fork's settings may be other ones
    ours = settings.read()._replace(account=account, region=region, repository="coworking")
    monkeypatch.setattr(settings, "read", lambda: ours)
    config.write_bytes(b"[user]\n  name = J\xfcrgen\n  email = j@example.org\n")
    words = ["hotfix", "--to", "dev", "--tag", "v1", "--reason", "x", "--unchecked"]
    done = in_this_process(*words, "--url", remote.url)
    assert done.returncode == 0, done.stderr
    assert remote.git("log", "-1", "--format=%an").strip() == "J\N{REPLACEMENT CHARACTER}rgen"


def test_a_helper_that_never_answers_is_not_waited_for(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text("[credential]\n  helper = !sleep 30\n")
    monkeypatch.setattr(git_access, "_ANSWERS_WITHIN", 0.1)
    began = time.monotonic()
    with git_access.open_remote("http://127.0.0.1:9/x.git", os.environ) as access:
        assert access.url == "http://127.0.0.1:9/x.git"
    assert time.monotonic() - began < 10


def test_without_git_its_name_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="`git` is not installed"):
        git_access.remote_url(None, "https://example.org/x.git")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
def test_a_folder_of_another_user_is_read_where_the_person_trusts_it(
    remote: Remote, config: Path
) -> None:
    """In a container a checkout often belongs to somebody else."""
    os.chown(remote.path, 1234, 1234)
    words = ["history", "dev", "--url", str(remote.path)]
    refused = in_this_process(*words)
    assert refused.returncode == 5
    assert "dubious ownership" in refused.stderr
    config.write_text(f"[safe]\n  directory = {remote.path}\n")
    assert in_this_process(*words).returncode == 0
