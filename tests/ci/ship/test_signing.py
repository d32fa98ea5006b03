"""The key of the write-back: what git is told of it, and what is refused first."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from ci.errors import InputError
from ci.git.made_commit import MACHINE
from ci.ship import signing
from ci.ship.signing import configuration

if TYPE_CHECKING:
    from pathlib import Path

SIGNER = "bot@example.org"


def key(folder: Path, passphrase: str = "") -> str:
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", str(folder / "made")]
    subprocess.run(words, check=True)
    return (folder / "made").read_text(encoding="utf-8")


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The text of the secret; it is asked for by its name and region."""
    texts: list[str] = []

    def secret(name: str, region: str) -> str:
        assert (name, region) == ("coworking/key", "us-east-1")
        return texts[-1]

    monkeypatch.setattr(signing, "secret", secret)
    return texts


def test_where_nobody_signs_no_key_is_asked_for(stored: list[str]) -> None:
    with configuration("", "coworking/key", "us-east-1") as found:
        assert found is None


def test_a_signer_without_a_named_secret_is_refused(stored: list[str]) -> None:
    with (
        pytest.raises(InputError, match=f"says that {SIGNER} signs") as raised,
        configuration(SIGNER, "", "us-east-1"),
    ):
        pass
    assert "make plan" in raised.value.hint


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_git_signs_with_a_key_that_nobody_else_can_read_and_that_is_gone_afterwards(
    stored: list[str], tmp_path: Path, end: str
) -> None:
    """A secret's text is often pasted: with another end of each line, or none of the last."""
    text = key(tmp_path).rstrip("\n")
    stored.append(text.replace("\n", end or "\n") + end)
    with configuration(SIGNER, "coworking/key", "us-east-1") as found:
        assert found is not None
        shown = subprocess.check_output(["git", "config", "--file", found, "--list"], text=True)
        told = dict(line.split("=", 1) for line in shown.splitlines())
        place = found.parent / told.pop("user.signingkey").rpartition("/")[2]
        assert told == {"user.name": MACHINE.name, "user.email": SIGNER, "gpg.format": "ssh"}
        assert place.read_bytes() == f"{text}\n".encode()
        assert place.stat().st_mode & 0o777 == 0o600
    assert not place.exists()


def test_a_key_with_a_passphrase_can_not_sign(stored: list[str], tmp_path: Path) -> None:
    stored.append(key(tmp_path, "words of somebody"))
    with (
        pytest.raises(InputError, match="no SSH private key that can be used without") as raised,
        configuration(SIGNER, "coworking/key", "us-east-1"),
    ):
        pass
    assert "/" not in str(raised.value).partition("passphrase:")[2]
    assert "--secret-id coworking/key" in raised.value.hint


def test_what_is_not_a_key_is_refused(stored: list[str]) -> None:
    stored.append("not a key")
    with (
        pytest.raises(InputError, match="'coworking/key' has no SSH private key"),
        configuration(SIGNER, "coworking/key", "us-east-1"),
    ):
        pass
