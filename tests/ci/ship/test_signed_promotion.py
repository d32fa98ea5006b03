"""A promotion to a repository that takes signed commits only, by a person's own signing key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ci.errors import PolicyError
from tests.ci.signatures import demand_signatures, needs_ssh_keygen, new_key

if TYPE_CHECKING:
    from pathlib import Path

World = Any
pytestmark = needs_ssh_keygen
PROD = "overlays/prod/coworking/image/kustomization.yaml"
ANN = "ann@example.org"


@pytest.fixture
def key(world: World, tmp_path: Path) -> Path:
    """The only key whose commits the repository takes."""
    made = new_key(tmp_path / "key")
    demand_signatures(world.remote.path, made, ANN)
    return made


def sign(monkeypatch: pytest.MonkeyPatch, config: Path, key: Path) -> None:
    """Let Ann's own git sign every commit."""
    config.write_text(
        f"[user]\n  name = Ann\n  email = {ANN}\n  signingKey = {key}\n"
        "[gpg]\n  format = ssh\n[commit]\n  gpgSign = true\n"
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))


@pytest.mark.parametrize("words", [["--push"], []])
def test_it_takes_the_promotion_of_who_signs(
    world: World, key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    sign(monkeypatch, tmp_path / "gitconfig", key)
    result = world.ci("promote", *words)
    assert result.exit_code == 0, result.output
    branch = "main" if words else f"deploy/prod/coworking-{world.tag}"
    assert f'newTag: "{world.tag}"' in world.remote.file(PROD, at=branch)
    world.remote.git("verify-commit", branch)


def test_it_refuses_the_promotion_of_who_does_not(world: World, key: Path) -> None:
    tip = world.remote.tip
    result = world.ci("promote", "--push")
    assert isinstance(result.exception, PolicyError)
    assert "pre-receive hook declined" in str(result.exception)
    assert world.remote.tip == tip
