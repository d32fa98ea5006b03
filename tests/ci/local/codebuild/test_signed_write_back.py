"""The write-back to a branch that takes signed commits only, with the key from Secrets Manager."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from ci.errors import InputError
from ci.ship import signing
from tests.ci.local.codebuild import stand_ins
from tests.ci.signatures import demand_signatures, needs_ssh_keygen, new_key

if TYPE_CHECKING:
    from pathlib import Path

World = Any
pytestmark = [needs_ssh_keygen, pytest.mark.thorough]
SIGNER = "1234567+bot@users.noreply.github.com"
SECRET = "coworking/signing-key"


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return new_key(tmp_path / "key")


@pytest.fixture
def signed_only(world: World, key: Path, tmp_path: Path) -> World:
    """Main takes commits that the key has signed, and settings.yaml names who has it."""
    clone = tmp_path / "clone"
    world.git("clone", "-q", "--template=", ".", str(clone))
    settings = clone / "settings.yaml"
    text = settings.read_text()
    assert 'signer: ""' in text
    settings.write_text(text.replace('signer: ""', f"signer: {SIGNER}"))
    here = world._replace(remote=clone)
    here.git("commit", "-qam", "Let the pipeline sign")
    here.git("push", "-q", "origin", "main")
    demand_signatures(world.remote, key, SIGNER)
    return world


def put_secret(aws: str, text: str) -> None:
    stand_ins.client("secretsmanager", aws).create_secret(Name=SECRET, SecretString=text)


@pytest.mark.thorough
def test_a_branch_that_takes_signed_commits_takes_the_write_back(
    signed_only: World, tag: str, aws: str, key: Path
) -> None:
    put_secret(aws, key.read_text())
    outcome, log = signed_only.write_back(signed_only.finished(), SIGNING_KEY_SECRET=SECRET)
    assert outcome.succeeded, log
    assert '"result": "pushed"' in log
    signed_only.git("verify-commit", "main")
    assert signed_only.git("log", "-1", "--format=%G? %ce %cn %s", "main").startswith(
        f"G {SIGNER} coworking-deploy deploy(dev): coworking "
    )
    assert not [line for line in key.read_text().splitlines()[1:-1] if line in log]


@pytest.mark.thorough
def test_without_a_signer_the_same_branch_refuses_it(
    world: World, tag: str, key: Path, aws: str
) -> None:
    """The settings decide: a key that lies there is not used."""
    put_secret(aws, key.read_text())
    demand_signatures(world.remote, key, SIGNER)
    outcome, log = world.write_back(world.finished(), SIGNING_KEY_SECRET=SECRET)
    assert not outcome.succeeded
    assert "refuses the push: pre-receive hook declined" in log
    assert world.git("rev-parse", "main") == world.commit


@pytest.mark.thorough
def test_another_key_than_the_branch_knows_is_refused(
    signed_only: World, tag: str, aws: str, tmp_path: Path
) -> None:
    put_secret(aws, new_key(tmp_path / "other").read_text())
    outcome, log = signed_only.write_back(signed_only.finished(), SIGNING_KEY_SECRET=SECRET)
    assert not outcome.succeeded
    assert "pre-receive hook declined" in log


@pytest.mark.thorough
def test_a_stack_that_has_no_key_yet_is_named(signed_only: World, tag: str) -> None:
    outcome, log = signed_only.write_back(signed_only.finished())
    assert not outcome.succeeded
    assert f"settings.yaml says that {SIGNER} signs" in log
    assert "Deploy the pipeline's stack again" in log


@pytest.mark.parametrize("kind", ["public", "with a passphrase"])
def test_a_key_that_cannot_sign_is_named_with_the_commands_that_fix_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, key: Path, kind: str
) -> None:
    text = key.read_text()
    if kind == "public":
        text = key.with_suffix(".pub").read_text()
    else:
        change = ["ssh-keygen", "-q", "-p", "-P", "", "-N", "of-the-test", "-f", key]
        subprocess.run(change, check=True, capture_output=True)
        text = key.read_text()
    monkeypatch.setattr(signing, "secret", lambda *_: text.strip())
    with (
        pytest.raises(InputError, match="has no SSH private key that can be used") as raised,
        signing.configuration(SIGNER, SECRET, "us-east-1"),
    ):
        pass
    assert str(tmp_path) not in str(raised.value)
    assert f"put-secret-value --secret-id {SECRET}" in raised.value.hint


def test_a_key_with_carriage_returns_can_sign(monkeypatch: pytest.MonkeyPatch, key: Path) -> None:
    text = key.read_text().replace("\n", "\r\n").strip()
    monkeypatch.setattr(signing, "secret", lambda *_: text)
    with signing.configuration(SIGNER, SECRET, "us-east-1") as config:
        assert config is not None


def test_the_key_is_readable_to_its_owner_alone_and_goes_when_the_push_fails(
    monkeypatch: pytest.MonkeyPatch, key: Path
) -> None:
    monkeypatch.setattr(signing, "secret", lambda *_: key.read_text().strip())
    seen: list[Path] = []

    def push_that_fails() -> None:
        with signing.configuration(SIGNER, SECRET, "us-east-1") as config:
            assert config is not None
            (file,) = (one for one in config.parent.iterdir() if one != config)
            seen.extend([file, config.parent])
            assert [one.stat().st_mode & 0o777 for one in seen] == [0o600, 0o700]
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        push_that_fails()
    assert not [one for one in seen if one.exists()]
