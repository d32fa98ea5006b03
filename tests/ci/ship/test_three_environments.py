"""A version on its way through three environments: each gate is asked of the right one."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from ci.tree import overlays

World = Any
ORDER = ("dev", "pre-prod", "prod")
FILE = "overlays/{}/coworking/image/kustomization.yaml"


@pytest.fixture
def asked(world: World, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The world with an environment more, which runs what prod runs; returns whom gates ask about.

    Argo CD says of each Application what it says of dev's.
    """
    monkeypatch.setattr(overlays, "promotion_order", lambda *_: ORDER)
    monkeypatch.setattr(overlays, "_folders", lambda *_: list(ORDER))
    folder = world.remote.person.folder / "overlays"
    world.remote.person.pull()
    shutil.copytree(folder / "prod", folder / "pre-prod")
    world.remote.person.commit()
    world.remote.person.push()
    seen: set[str] = set()
    answer = world.answer

    def answer_for_any(path: str, query: dict[str, list[str]]) -> dict[str, Any]:
        name = path.split("/")[4]
        seen.add(name)
        found: dict[str, Any] = answer(path.replace(name, "coworking-dev"), query)
        return {**found, "metadata": {"name": name}} if "metadata" in found else found

    monkeypatch.setattr(world, "answer", answer_for_any)
    return seen


def test_a_version_goes_through_the_one_between_and_each_gate_asks_the_right_one(
    world: World, asked: set[str]
) -> None:
    first = world.ci("promote", "--to", "pre-prod", "--push")
    assert first.exit_code == 0, first.output
    assert "coworking-dev is Synced and Healthy" in first.output
    assert asked == {"coworking-dev"}
    assert f'newTag: "{world.tag}"' in world.remote.file(FILE.format("pre-prod"))
    assert f'newTag: "{world.old}"' in world.remote.file(FILE.format("prod"))

    asked.clear()
    world.application["status"]["sync"]["revision"] = world.remote.tip
    world.application["status"]["history"][-1]["revision"] = world.remote.tip
    second = world.ci("promote", "--push")
    assert second.exit_code == 0, second.output
    assert "coworking-pre-prod is Synced and Healthy" in second.output
    assert "pre-prod ran it for 60 of 30 minutes" in second.output
    assert asked == {"coworking-pre-prod"}
    assert f'newTag: "{world.tag}"' in world.remote.file(FILE.format("prod"))
    assert "Promoted-From: pre-prod" in world.message("main")


def test_the_one_between_holds_back_what_it_has_not_run_for_long_enough(
    world: World, asked: set[str]
) -> None:
    """Dev has run it for an hour, which says nothing of the other one."""
    assert world.ci("promote", "--to", "pre-prod", "--push").exit_code == 0
    result = world.ci("promote", "--push")
    assert result.exit_code == 1
    assert f"history doesn't show {world.tag} in pre-prod" in result.output
