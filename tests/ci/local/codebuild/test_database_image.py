"""`ci/buildspec.postgres.yaml` and the write-back after it: the database's image, by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ci.local.codebuild.eventbridge import Template
from ci.tree.overlays import PIPELINE_TEMPLATE
from tests.ci.local.codebuild import stand_ins

pytestmark = pytest.mark.thorough

World = Any
ROOT = Path(__file__).parents[4]
DATABASE = "overlays/dev/postgres/image/kustomization.yaml"
SERVICE = "overlays/dev/coworking/image/kustomization.yaml"
PROJECT = "coworking-postgres"


@pytest.fixture
def tag(world: World, aws: str) -> str:
    """The tag of the third build of the database's image, which is in its registry."""
    name = f"3-{world.commit[:8]}"
    stand_ins.push_image(aws, name, stand_ins.DATABASE_REPOSITORY)
    return name


def finished(world: World, number: int = 3, **changes: Any) -> Any:
    return world.finished(project=PROJECT, number=number, **changes)


def test_its_build_makes_its_folder_and_pushes_to_its_own_repository(world: World) -> None:
    world.clone()
    outcome, log = world.run(
        "buildspec.postgres.yaml",
        CODEBUILD_BUILD_ID=f"{PROJECT}:1",
        CODEBUILD_BUILD_NUMBER="3",
        ARTIFACTS_BUCKET="",
    )
    assert outcome.succeeded, log
    address = f"123456789012.dkr.ecr.us-east-1.amazonaws.com/{PROJECT}"
    (build,) = (call for call in world.calls() if call.startswith("docker build "))
    assert build.endswith(f"--tag {address}:latest apps/postgres")
    tags = [call for call in world.calls() if call.startswith("docker push ")]
    assert {call.rpartition(" ")[2].rpartition(":")[0] for call in tags} == {address}
    assert len(tags) == 4
    assert "make test" not in "\n".join(world.calls())
    assert world.git("rev-parse", "main") == world.commit


def test_an_image_that_fails_its_tests_is_not_pushed(world: World) -> None:
    world.clone()
    outcome, _ = world.run("buildspec.postgres.yaml", BREAK="image")
    assert not outcome.succeeded
    assert not [call for call in world.calls() if call.startswith("docker push ")]


def test_its_success_writes_its_tag_and_leaves_the_service_alone(world: World, tag: str) -> None:
    template = Template.read(ROOT / PIPELINE_TEMPLATE, "coworking")
    assert template is not None
    built = finished(world)
    (start,) = template.starts(built.event())
    assert start.project == "coworking-write-back"

    outcome, log = world.write_back(built, **start.variables)

    assert outcome.succeeded, log
    assert world.git("show", "--name-only", "--format=", "main").split() == [DATABASE]
    assert f'newTag: "{tag}"' in world.git("show", f"main:{DATABASE}")
    assert world.git("log", "-1", "--format=%s", "main").startswith("deploy(dev): postgres ")


def test_each_image_has_an_order_of_its_own(world: World, tag: str, aws: str) -> None:
    """Build 3 of the database's image goes in after build 57 of the service, of the same commit."""
    service = f"57-{world.commit[:8]}"
    stand_ins.push_image(aws, service)
    world.write_back(world.finished())
    outcome, log = world.write_back(finished(world), MAIN_BUILD=f"{PROJECT}:{IDENTITY}")
    assert outcome.succeeded, log
    older, log = world.write_back(finished(world, number=2), MAIN_BUILD=f"{PROJECT}:{IDENTITY}")
    assert "has no tag 2-" in log
    assert not older.succeeded
    assert f'newTag: "{tag}"' in world.git("show", f"main:{DATABASE}")
    assert f'newTag: "{service}"' in world.git("show", f"main:{SERVICE}")


IDENTITY = "1f2e3d4c-5b6a-4798-881f-2e3d4c5b6a79"


def test_an_image_of_the_service_does_not_stand_for_the_databases(world: World, aws: str) -> None:
    stand_ins.push_image(aws, f"3-{world.commit[:8]}")  # in the service's repository
    outcome, log = world.write_back(finished(world), MAIN_BUILD=f"{PROJECT}:{IDENTITY}")
    assert not outcome.succeeded
    assert f"amazonaws.com/{PROJECT} has no tag 3-" in log
    assert world.git("rev-parse", "main") == world.commit


def test_without_a_build_named_it_is_the_newest_of_that_image(world: World, tag: str) -> None:
    outcome, log = world.write_back(finished(world), world.finished(identity="2"), IMAGE="postgres")
    assert outcome.succeeded, log
    assert f'newTag: "{tag}"' in world.git("show", f"main:{DATABASE}")
