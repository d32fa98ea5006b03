"""`promote`, `hotfix` and `history` of the database's image, which not every environment runs.

What the gates ask of it is in test_gates.py, where each gate meets both images.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from ci.errors import CiError, InputError
from ci.ship.gates import GATES, Blocks, ask
from ci.tree import outside
from ci.tree.images import DATABASE_IMAGE
from tests.ci.ship.stand_ins import IMAGE, MANIFEST

if TYPE_CHECKING:
    from collections.abc import Callable

World = Any
pytestmark = pytest.mark.parametrize("world", [DATABASE_IMAGE], indirect=True, ids=["postgres"])
UNUSED = "prod does not run this image yet, but upstream's"


def switch(world: World, environment: str, *, on: bool) -> str:
    """Add or remove the component that has the tag, as `make configure BACKUP_BUCKET=…` does."""
    texts = ("components: [image]", "components: []")
    path = f"{world.part(environment)}/kustomization.yaml"
    made: str = world.edit(path, *(texts[::-1] if on else texts))
    return made


def backups_off(world: World) -> None:
    """Neither environment runs the image, and nobody is logged in to Argo CD yet."""
    for environment in ("dev", "prod"):
        switch(world, environment, on=False)


def no_argocd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARGOCD_SERVER", "127.0.0.1:9")


def states(candidate: Any) -> dict[str, str]:
    return {state.gate: state.word for state in ask(candidate, overridden=())}


def changed(world: World, commit: str) -> list[str]:
    names: str = world.remote.git("show", "--name-only", "--format=", commit)
    return names.split()


def test_a_promotion_proposes_devs_tag_and_changes_nothing_else(world: World) -> None:
    result = world.ci("promote")
    assert result.exit_code == 0, result.output
    assert result.output.startswith(f"postgres: prod {world.old} -> {world.tag}\n")
    assert UNUSED not in result.output
    branch = f"deploy/prod/postgres-{world.tag}"
    assert changed(world, branch) == [world.file("prod")]
    assert f'newTag: "{world.tag}"' in world.remote.file(world.file("prod"), at=branch)
    lines = world.message(branch).splitlines()
    assert lines[0] == f"deploy(prod): postgres {world.old} -> {world.tag}"
    assert f"Image: {IMAGE}-postgres:{world.tag}" in lines
    assert "Build: 4" in lines


def test_what_neither_environment_runs_is_promoted_without_argo_cd(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first time, before backups are on: prod would wait for an image that nobody brings."""
    backups_off(world)
    no_argocd(monkeypatch)
    result = world.ci("promote", "--push")
    assert result.exit_code == 0, result.output
    words = {
        line.split()[1]: line.split()[0] for line in result.output.splitlines() if line[:2] == "  "
    }
    assert words == dict.fromkeys(GATES, "passes") | {
        "healthy": "skipped",
        "soaked": "skipped",
        "only-the-image": "skipped",
    }
    assert UNUSED in result.output
    assert "Argo CD deploys it" not in result.output
    assert changed(world, "main") == [world.file("prod")]


def test_an_environment_with_its_database_outside_is_promoted_nothing(world: World) -> None:
    overlay = f"{world.part('prod')}/kustomization.yaml"
    world.edit(overlay, "components: [image]", f"components: [{outside.COMPONENT}]")
    before = world.message("main")
    result = world.ci("promote", "--push")
    assert result.exit_code == 0, result.output
    assert result.output == (
        "prod's database is outside the cluster, so prod runs no image of postgres: who runs it"
        " there updates it (docs/database.md).\nNothing to promote.\n"
    )
    assert world.message("main") == before


def test_before_the_first_build_there_is_nothing_to_promote_and_it_fails(world: World) -> None:
    """It ended well, and whoever went on had a prod that waits for an image."""
    for environment, tag in (("dev", world.tag), ("prod", world.old)):
        world.edit(world.file(environment), tag, "0-d0286410")
    result = world.ci("promote", "--push")
    assert isinstance(result.exception, CiError)
    assert result.exception.exit_code == 1
    assert str(result.exception).startswith("dev has no build's tag of postgres yet: 0-d0286410")


@pytest.mark.parametrize("gate", ["same-image", "scanned"])
def test_what_neither_runs_must_still_be_in_the_registry_and_scanned(
    world: World, candidate: Callable[..., Any], gate: str
) -> None:
    backups_off(world)
    ecr = boto3.client("ecr", world.ecr.region)
    ecr.batch_delete_image(repositoryName=world.ecr.name, imageIds=[{"imageTag": world.tag}])
    with pytest.raises(Blocks):
        GATES[gate].check(candidate())


def test_what_neither_runs_must_still_come_after_prods(
    world: World, candidate: Callable[..., Any]
) -> None:
    backups_off(world)
    world.deploy("prod", 5, world.remote.person.ship())
    with pytest.raises(Blocks, match="a newer commit runs"):
        GATES["descends"].check(candidate())


def test_where_dev_runs_it_dev_is_asked_though_prod_does_not(
    world: World, candidate: Callable[..., Any]
) -> None:
    switch(world, "prod", on=False)
    assert states(candidate())["only-the-image"] == "skipped"
    world.application["status"]["health"]["status"] = "Degraded"
    assert states(candidate())["healthy"] == "blocks"


def test_where_prod_runs_it_and_dev_does_not_nothing_is_skipped(
    world: World, candidate: Callable[..., Any]
) -> None:
    switch(world, "dev", on=False)
    world.live = "15.20-bookworm"  # upstream's
    world.pod_digest = "sha256:" + "0" * 64
    found = states(candidate())
    assert "skipped" not in found.values()
    assert {gate for gate, word in found.items() if word == "blocks"} >= {"healthy", "same-image"}


def test_the_time_before_dev_ran_it_does_not_count(
    world: World, candidate: Callable[..., Any]
) -> None:
    """Dev had the tag in git for hours, and upstream's image in its pod."""
    off, on = (switch(world, "dev", on=on) for on in (False, True))
    now = datetime.now(UTC)
    world.application["status"]["history"] = [
        {"id": number, "revision": commit, "deployedAt": f"{now - timedelta(minutes=ago):%FT%TZ}"}
        for number, (commit, ago) in enumerate(((off, 300), (on, 5)))
    ]
    with pytest.raises(Blocks, match="dev ran it for 5 of 30 minutes"):
        GATES["soaked"].check(candidate())


def test_a_hotfix_goes_to_the_databases_overlay(world: World) -> None:
    result = world.ci("hotfix", "--to", "prod", "--tag", world.tag, "--reason", "4 archives")
    assert result.exit_code == 0, result.output
    assert f"prod: {world.old} -> {world.tag} in {world.remote.tip}" in result.output
    assert "Argo CD deploys it now" in result.output
    assert changed(world, "main") == [world.file("prod")]
    assert world.message("main").startswith(f"deploy(prod): postgres {world.old} -> {world.tag}")
    assert f"Image: {IMAGE}-postgres:{world.tag}" in world.message("main")


def test_a_hotfix_back_to_an_older_build_asks_for_no_order(world: World) -> None:
    world.ci("promote", "--push")
    result = world.ci(
        "hotfix", "--to", "prod", "--tag", world.old, "--reason", "back", "--unchecked"
    )
    assert result.exit_code == 0, result.output
    assert f'newTag: "{world.old}"' in world.remote.file(world.file("prod"))


@pytest.mark.parametrize("tag", ["manual-v1", "15.20-bookworm"])
def test_a_hotfix_to_what_only_another_repository_has_is_refused(world: World, tag: str) -> None:
    """The service's repository has one tag, and upstream's the other."""
    ecr, service = boto3.client("ecr", world.ecr.region), world.ecr.name.removesuffix("-postgres")
    ecr.create_repository(repositoryName=service)
    ecr.put_image(repositoryName=service, imageManifest=MANIFEST, imageTag="manual-v1")
    tip = world.remote.tip
    result = world.ci("hotfix", "--to", "prod", "--tag", tag, "--reason", "x")
    assert isinstance(result.exception, InputError)
    assert f"{IMAGE}-postgres has no tag {tag!r}" in str(result.exception)
    assert world.remote.tip == tip


def test_a_hotfix_of_what_prod_does_not_run_says_so(world: World) -> None:
    switch(world, "prod", on=False)
    result = world.ci("hotfix", "--to", "prod", "--tag", world.tag, "--reason", "x")
    assert UNUSED in result.output
    assert "Argo CD deploys it" not in result.output


@pytest.mark.thorough
def test_each_image_has_a_history_of_its_own(world: World) -> None:
    world.ci("promote", "--push")
    world.ci("hotfix", "--to", "prod", "--tag", "v9", "--reason", "slow", "--unchecked")
    result = world.ci("history", "prod", "--json")
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(row["tag"], row["how"]) for row in rows] == [
        ("v9", "hotfix"),
        (world.tag, "promotion"),
        (world.old, "build"),
        ("none", "by hand"),
    ]
    assert result.stderr == ""
    service = world.ci("history", "prod", "--json", "--image", "coworking").stdout
    assert world.tag not in service


def test_the_history_of_what_prod_does_not_run_says_so_beside_the_rows(world: World) -> None:
    switch(world, "prod", on=False)
    result = world.ci("history", "prod", "--json", "--limit", "1")
    assert json.loads(result.stdout)["tag"] == world.old
    assert UNUSED in result.stderr


@pytest.mark.parametrize("verb", ["promote", "hotfix", "history"])
def test_an_unknown_image_is_named_with_those_that_there_are(world: World, verb: str) -> None:
    result = world.ci(verb, "--image", "postgresql")
    assert result.exit_code == 2
    assert "'postgresql' is not one of 'coworking', 'postgres'" in result.output


def test_a_blocked_promotion_changes_nothing(world: World) -> None:
    world.findings = {"CRITICAL": 1}
    result = world.ci("promote", "--push")
    assert isinstance(result.exception, CiError)
    assert str(result.exception) == "blocked by scanned"
    assert f'newTag: "{world.old}"' in world.remote.file(world.file("prod"))
