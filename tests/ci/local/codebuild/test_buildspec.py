"""`ci/buildspec.yaml` run whole by the local CodeBuild, then broken at every command.

Real: the buildspec, its steps, git, and moto for AWS. Stand-ins, since neither an engine nor a
second installation of everything is to be had here: `make` and `docker`, which write down what
they are asked and fail when told. test_whole_build.py has a real engine and a real registry.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import pytest

from ci.cli import VERBS
from ci.local.codebuild.spec import parse
from ci.ship.build_steps import STEPS
from tests.ci.local.codebuild import stand_ins

World = Any
ROOT = Path(__file__).parents[4]
REGISTRY = "123456789012.dkr.ecr.us-east-1.amazonaws.com/coworking"
MANIFEST = '{"mediaType": "application/vnd.oci.image.manifest.v1+json", "schemaVersion": 2}'


thorough = functools.partial(pytest.param, marks=pytest.mark.thorough)


@pytest.mark.thorough
def test_a_green_build_pushes_and_stores_and_leaves_git_to_the_write_back(
    world: World, aws: str
) -> None:
    outcome, log = world.build()
    assert outcome.succeeded, log
    tag = f"57-{world.commit[:8]}"
    assert outcome.exported == {"IMAGE_TAG": tag}
    assert [c for c in world.calls() if c.startswith("docker push")] == [
        f"docker push --quiet {REGISTRY}:{name}" for name in (tag, "57", world.commit, "latest")
    ]
    stored = stand_ins.client("s3", aws).get_object(
        Bucket="artifacts", Key=f"coworking/{tag}/imagedefinitions.json"
    )
    assert json.load(stored["Body"]) == [{"name": "coworking", "imageUri": f"{REGISTRY}:{tag}"}]
    assert world.git("rev-parse", "main") == world.commit
    assert [file.name for file in outcome.reports] == ["image.xml"]
    build = next(call for call in world.calls() if call.startswith("docker build"))
    assert f"--cache-from {REGISTRY}:latest" in build
    assert f"--build-arg BUILD=57 --build-arg COMMIT={world.commit}" in build


def test_another_base_image_reaches_docker(world: World) -> None:
    world.clone()
    world.environment["BASE_IMAGE"] = "python:3.11-slim-bookworm"
    world.step("build")
    (build,) = (call for call in world.calls() if call.startswith("docker build"))
    assert "--build-arg BASE_IMAGE=python:3.11-slim-bookworm " in build


def test_a_commits_own_tag_stays_at_its_first_build(world: World, aws: str) -> None:
    ecr = stand_ins.client("ecr", aws)
    ecr.put_image(repositoryName="coworking", imageManifest=MANIFEST, imageTag=world.commit)
    world.clone()
    assert f"kept   {REGISTRY}:{world.commit}" in world.step("push")
    pushed = [call.rpartition(":")[2] for call in world.calls()]
    assert pushed == [f"57-{world.commit[:8]}", "57", "latest"]


@pytest.mark.parametrize(
    ("break_at", "changes", "last_phase", "pushed"),
    [
        ("make install", {}, "install", 0),
        ("make test", {}, "pre_build", 0),
        ("make check", {}, "pre_build", 0),
        ("docker push", {}, "post_build", 1),
        # The phase `build` breaks in the test without ABORT; test_build_steps.py has what a step
        # fails by.
        thorough("", {"AWS_ACCOUNT_ID": "111122223333"}, "pre_build", 0),
        thorough("docker login", {}, "pre_build", 0),
        thorough("docker build", {}, "build", 0),
        thorough("image", {}, "build", 0),
        thorough("", {"ARTIFACTS_BUCKET": "no-such-bucket"}, "post_build", 4),
    ],
)
def test_a_failure_leaves_git_untouched_and_the_build_red(
    world: World, break_at: str, changes: dict[str, str], last_phase: str, pushed: int
) -> None:
    outcome, log = world.build(break_at=break_at, **changes)
    assert not outcome.succeeded, log
    assert outcome.phases[-1].phase == last_phase
    assert world.git("rev-parse", "main") == world.commit
    assert world.git("for-each-ref", "--format=%(refname)").split() == ["refs/heads/main"]
    pushes = [call for call in world.calls() if call.startswith("docker push")]
    assert len(pushes) == pushed  # harmless: no overlay names what was pushed
    assert "Traceback" not in log


@pytest.mark.thorough
def test_even_without_abort_post_build_of_a_failed_build_publishes_nothing(world: World) -> None:
    """The second lock on that door: CODEBUILD_BUILD_SUCCEEDING, should `on-failure` get lost."""
    world.clone()
    file = world.source / "ci/buildspec.yaml"
    file.write_text(file.read_text().replace("    on-failure: ABORT\n", ""))
    outcome, _ = world.run(BREAK="docker build")
    assert [result.phase for result in outcome.phases][-1] == "post_build"
    assert not outcome.succeeded
    assert not [call for call in world.calls() if call.startswith("docker push")]
    assert world.git("rev-parse", "main") == world.commit


@pytest.mark.parametrize("name", [file.name for file in ROOT.glob("ci/buildspec*.yaml")])
def test_every_command_of_the_buildspecs_is_a_target_or_a_verb_that_exists(name: str) -> None:
    targets = (ROOT / "Makefile").read_text()
    for phase in parse(ROOT / "ci" / name).phases:
        for command in (*phase.commands, *phase.finally_):
            words = command.split()
            if words[0] == "make":
                assert f"\n{words[1]}: " in targets
            elif "-m ci" in command:
                verb, _, rest = command.partition("-m ci ")[2].partition(" ")
                assert verb in VERBS
                assert verb != "pipeline" or rest.rstrip(')"') in STEPS


def test_the_pull_request_build_can_neither_push_nor_write_back() -> None:
    text = (ROOT / "ci/buildspec.pr.yaml").read_text()
    used = {step for step in STEPS if f"pipeline {step}" in text}
    assert used == {"comment"}


def test_the_build_of_main_does_not_write_back() -> None:
    assert "write-back" not in " ".join(
        command
        for phase in parse(ROOT / "ci/buildspec.yaml").phases
        for command in (*phase.commands, *phase.finally_)
    )
