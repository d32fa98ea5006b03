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


def test_another_address_of_the_persons_own_is_used(remote: Remote, config: Path) -> None:
    config.write_text(f'[url "{remote.url}"]\n  insteadOf = https://git.example.invalid/x.git\n')
    done = in_this_process("history", "dev", "--url", "https://git.example.invalid/x.git")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("where", ["core.sshCommand", "GIT_SSH_COMMAND"])
def test_the_persons_ssh_command_is_used(
    remote: Remote, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """A key of another name, a jump host: their own git works with it."""
    ssh = tmp_path / "my ssh"
    ssh.write_text(f"#!/bin/sh\nexec git upload-pack '{remote.path}'\n")
    ssh.chmod(0o755)
    if where == "GIT_SSH_COMMAND":
        monkeypatch.setenv(where, f"'{ssh}'")
    else:
        config.write_text(f"[core]\n  sshCommand = \"'{ssh}'\"\n")
    done = in_this_process("history", "dev", "--url", "ssh://git@git.example.invalid/x.git")
    assert done.returncode == 0, done.stderr


def test_their_ca_proxy_and_header_are_used_and_their_aliases_are_not(
    config: Path, tmp_path: Path
) -> None:
    config.write_text(
        "[http]\n  proxy = http://proxy:3128\n  sslCAInfo = /ca.pem\n"
        '[http "https://git.example.org/"]\n  extraHeader = AUTHORIZATION: basic c2VjcmV0\n'
        "[alias]\n  fetch = !rm -rf\n[core]\n  hooksPath = /hooks\n"
    )
    with git_access.open_remote("https://git.example.org/x.git", {"HOME": str(tmp_path)}) as access:
        got = {
            name: access.repository.git("config", "--get", name).strip()
            for name in (
                "http.proxy",
                "http.sslcainfo",
                "http.https://git.example.org/.extraheader",
            )
        }
        hooks = access.repository.git("config", "--get", "core.hooksPath").strip()
        listed = access.repository.git("config", "--list")
    assert list(got.values()) == ["http://proxy:3128", "/ca.pem", "AUTHORIZATION: basic c2VjcmV0"]
    assert hooks == "/dev/null"
    assert "alias." not in listed


def test_who_signs_commits_signs_a_hotfix_too(
    remote: Remote, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account, _, _, region, *_ = REGISTRY.split(".")
    ours = settings.read()._replace(account=account, region=region, repository="coworking")
    monkeypatch.setattr(settings, "read", lambda: ours)
    signer = tmp_path / "signer"
    signer.write_text(
        '#!/bin/sh\ncat >/dev/null\nprintf "\\n[GNUPG:] SIG_CREATED \\n" >&2\n'
        'echo "-----BEGIN PGP SIGNATURE-----"\necho of-the-test\n'
        'echo "-----END PGP SIGNATURE-----"\n'
    )
    signer.chmod(0o755)
    config.write_text(
        f"[user]\n  name = Ann\n  email = a@x\n  signingKey = A\n[gpg]\n  program = {signer}\n"
        "[commit]\n  gpgSign = true\n"
    )
    words = ["hotfix", "--to", "dev", "--tag", "v1", "--reason", "x", "--unchecked"]
    done = in_this_process(*words, "--url", remote.url)
    assert done.returncode == 0, done.stderr
    assert "gpgsig -----BEGIN PGP SIGNATURE-----" in remote.git("cat-file", "commit", "main")
