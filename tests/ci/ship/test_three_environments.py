"""A version on its way through three environments: each gate is asked of the right one."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from ci.tree import overlays
from ci.tree.images import DATABASE_IMAGE, IMAGES

pytestmark = pytest.mark.thorough

World = Any
ORDER = ("dev", "pre-prod", "prod")
each_image = pytest.mark.parametrize("world", IMAGES.values(), indirect=True, ids=list(IMAGES))
of_the_database = pytest.mark.parametrize("world", [DATABASE_IMAGE], indirect=True)


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
        found: dict[str, Any] = answer(path.replace(name, world.name), query)
        return {**found, "metadata": {"name": name}} if "metadata" in found else found

    monkeypatch.setattr(world, "answer", answer_for_any)
    return seen


@each_image
def test_a_version_goes_through_the_one_between_and_each_gate_asks_the_right_one(
    world: World, asked: set[str]
) -> None:
    part = world.image.part
    first = world.ci("promote", "--to", "pre-prod", "--push")
    assert first.exit_code == 0, first.output
    assert f"{part}-dev is Synced and Healthy" in first.output
    assert asked == {f"{part}-dev"}
    assert f'newTag: "{world.tag}"' in world.remote.file(world.file("pre-prod"))
    assert f'newTag: "{world.old}"' in world.remote.file(world.file("prod"))

    asked.clear()
    world.application["status"]["sync"]["revision"] = world.remote.tip
    world.application["status"]["history"][-1]["revision"] = world.remote.tip
    second = world.ci("promote", "--push")
    assert second.exit_code == 0, second.output
    assert f"{part}-pre-prod is Synced and Healthy" in second.output
    assert "pre-prod ran it for 60 of 30 minutes" in second.output
    assert asked == {f"{part}-pre-prod"}
    assert f'newTag: "{world.tag}"' in world.remote.file(world.file("prod"))
    assert "Promoted-From: pre-prod" in world.message("main")


def test_the_one_between_holds_back_what_it_has_not_run_for_long_enough(
    world: World, asked: set[str]
) -> None:
    """Dev has run it for an hour, which says nothing of the other one."""
    assert world.ci("promote", "--to", "pre-prod", "--push").exit_code == 0
    result = world.ci("promote", "--push")
    assert result.exit_code == 1
    assert f"history doesn't show {world.tag} in pre-prod" in result.output


@of_the_database
def test_what_no_environment_runs_goes_the_same_way_and_nobody_is_asked(
    world: World, asked: set[str]
) -> None:
    """The database's image before backups are on."""
    for environment in ORDER:
        part = f"{world.part(environment)}/kustomization.yaml"
        world.edit(part, "components: [image]", "components: []")
    for words in (["--to", "pre-prod"], []):
        result = world.ci("promote", *words, "--push")
        assert result.exit_code == 0, result.output
        assert result.output.count("  skipped  ") == 3
    assert asked == set()
    assert f'newTag: "{world.tag}"' in world.remote.file(world.file("prod"))


@of_the_database
def test_what_the_one_between_has_not_got_comes_to_it_first(world: World, asked: set[str]) -> None:
    """Its build has been started already: that is not what is to be done."""
    world.edit(world.file("pre-prod"), world.old, "0-d0286410")
    refused = world.ci("promote", "--push").exception
    assert str(refused).startswith("pre-prod has no build's tag of postgres yet")
    assert refused.hint.endswith("\npython -m ci promote --to pre-prod --image postgres")
